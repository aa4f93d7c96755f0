"""Video through OpenCV: files, URLs, what cannot be opened; pace, frames, colours."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

from hal.clock import HostClock
from hal.events import LinkChanged
from hal.imaging.camera_settings import DiscLook
from hal.imaging.image import Image
from hal.imaging.markers import find_discs
from hal.messages import BadSample
from hal.video.capture import VideoCamera, VideoSettings

COUNT = 12


def disc_at(number: int) -> tuple[float, float]:
    return 60.0 + 10.0 * number, 90.0


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "disc.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 50.0, (320, 240))
    assert writer.isOpened()
    for number in range(COUNT):
        picture = np.full((240, 320, 3), 20, dtype=np.uint8)
        x, y = disc_at(number)
        cv2.circle(picture, (int(x), int(y)), 9, (220, 220, 220), -1, cv2.LINE_AA)
        writer.write(picture)
    writer.release()
    return path


class Taken:
    """Runs a source and keeps what it hands over."""

    def __init__(self, source: str | int, **changes) -> None:
        self.images: list[Image] = []
        self.bad: list[BadSample] = []
        self.links: list[LinkChanged] = []
        self.clock = HostClock()
        self.camera = VideoCamera(
            VideoSettings(device="camera", source=source, **changes),
            self._take,
            self.links.append,
            self.clock,
        )

    def _take(self, item: Image | BadSample) -> None:
        if isinstance(item, BadSample):
            self.bad.append(item)
        else:
            self.images.append(item)

    def run(self, within_s: float = 10.0) -> bool:
        """Play to the end; tells whether it came."""
        self.camera.start()
        try:
            return self.camera.wait(within_s)
        finally:
            self.camera.stop()


def test_a_file_is_played_to_its_end_and_not_again(film: Path) -> None:
    taken = Taken(str(film), pace="free")
    assert taken.run()
    assert [image.number for image in taken.images] == list(range(1, COUNT + 1))
    assert [image.ticks for image in taken.images] == [20_000_000 * n for n in range(COUNT)]
    assert [(link.up, link.detail[-11:]) for link in taken.links][1] == (False, "end of file")
    for number, image in enumerate(taken.images):
        (place,) = find_discs(image.pixels, DiscLook()).places_px
        assert place == pytest.approx(disc_at(number), abs=0.3)


def test_a_file_is_played_at_its_own_pace(film: Path) -> None:
    taken = Taken(str(film))
    began_ns = taken.clock()
    assert taken.run()
    assert len(taken.images) == COUNT
    assert all(image.t_ns - began_ns >= image.ticks for image in taken.images)


def test_what_cannot_be_opened_is_a_link_that_stays_down(tmp_path: Path) -> None:
    path = tmp_path / "no.avi"
    path.write_bytes(b"this is no film")
    for source in (str(tmp_path / "missing.avi"), str(path)):
        taken = Taken(source, again=False)
        assert taken.run()
        assert [link.up for link in taken.links] == [False]
        assert "cannot be opened" in taken.links[0].detail
        assert taken.images == []


def test_a_source_that_is_not_there_is_tried_again_until_stopped(tmp_path: Path) -> None:
    taken = Taken(str(tmp_path / "missing.avi"))
    assert not taken.run(2.2)
    assert len(taken.links) >= 2


@pytest.fixture
def address(film: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def __init__(self, *arguments, **keywords) -> None:
            super().__init__(*arguments, directory=str(film.parent), **keywords)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/{film.name}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_url_is_played_too_and_its_end_is_a_loss(address: str) -> None:
    taken = Taken(address, silence_s=0.2, again=False)
    assert taken.run()
    assert len(taken.images) == COUNT
    assert "no picture for" in taken.links[-1].detail


def test_pictures_of_other_kinds_are_refused(film: Path) -> None:
    taken = Taken(str(film))
    taken.camera._deliver(np.zeros((4, 4, 2), dtype=np.uint8), 5, 1, 1)
    taken.camera._deliver(np.zeros((4, 4), dtype=np.float32), 5, 1, 1)
    taken.camera._deliver(np.zeros((4, 4, 1), dtype=np.uint16), 5, 1, 1)
    assert len(taken.bad) == 2
    assert taken.images[0].pixels.shape == (4, 4)
