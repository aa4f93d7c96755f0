"""Serve the X-ray pair: two GigE panels that send what the room's imager exposed.

A trigger on either panel asks the room for one shot; when the room answers, radiographs of its
fiducials are rendered and leave by the panels that were triggered. The panels' clock is the
room's imager clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable

import numpy as np

from hal.addresses import host_and_port
from hal.events import Command, SendExpose
from hal.gige.settings import GigeXrayWire
from hal.imaging.stereo_wires import StereoXrayWire
from hal.imaging.view import View
from hal.imaging.wired_views import xray_geometry
from hal.imaging.xray_geometry import XrayGeometry, nominal_pair
from hal.messages import FiducialShot, Sample, Triple
from sim.gige import FedCamera, GigeTwinServer, Picture
from sim.radiograph import Exposure, Field, Seed, anatomy, expose
from sim.twin import Alone, ServedTwin, TwinContext, TwinRequest, TwinRow

TOGETHER_NS = 100_000_000
"""Triggers of both panels closer than this are one shot."""
SIDES = ("left", "right")


class Radiographs:
    """Renders both sides of a shot; seeds keep their direction, the anatomy is drawn once."""

    def __init__(
        self,
        geometry: XrayGeometry,
        seeds: int,
        seed: int,
        diameter_mm: float = 1.0,
        length_mm: float = 3.0,
    ) -> None:
        self.views: tuple[View, View] = nominal_pair(geometry)
        self._rng = np.random.default_rng([seed, 0x58])
        self._exposure = Exposure()
        self._axes = self._rng.standard_normal((seeds, 3))
        self._size = (diameter_mm, length_mm)
        shape = (geometry.height_px, geometry.width_px)
        self._bodies: list[Field] = [anatomy(shape, self._exposure, self._rng) for _ in SIDES]

    def expose(self, side: int, fiducials_mm: tuple[Triple | None, ...]) -> Picture:
        """Return one side's radiograph; a fiducial that is ``None`` casts no shadow."""
        metal = [
            Seed(np.array(place), self._axes[index], *self._size)
            for index, place in enumerate(fiducials_mm)
            if place is not None
        ]
        body = self._bodies[side]
        return expose(self.views[side], metal, self._exposure, self._rng, body)


class XrayPanels:
    """Both panels on their sockets; the loop owns the room, threads the sockets and the drawing.

    ``expose`` is called in the loop and hands a `SendExpose` to the room; `show` takes the
    room's answer.
    """

    def __init__(
        self,
        device: str,
        radiographs: Radiographs,
        ports: tuple[tuple[str, int], tuple[str, int]],
        clock: Callable[[], int],
        expose: Callable[[SendExpose], None],
    ) -> None:
        self._device = device
        self._radiographs = radiographs
        self._clock = clock
        self._expose = expose
        self._loop = asyncio.get_running_loop()
        self._number = 0
        self._opened_ns = -TOGETHER_NS
        self._sides: dict[int, set[int]] = {}
        self._drawing: set[asyncio.Task[None]] = set()
        self._lock = threading.Lock()
        self.shots = 0
        view = radiographs.views[0]
        size = (view.width_px, view.height_px)
        self.twins = [
            FedCamera(size, f"PANEL-{name.upper()}", self._passing_on(side))
            for side, name in enumerate(SIDES)
        ]
        self._servers: list[GigeTwinServer] = []
        for twin, (host, port) in zip(self.twins, ports, strict=True):
            self._servers.append(GigeTwinServer(twin, host, port, clock))

    @property
    def text(self) -> str:
        """The addresses of the panels, in words for a person."""
        return "gige " + " and ".join(f"127.0.0.1:{port}" for port in self.ports)

    @property
    def ports(self) -> tuple[int, ...]:
        """The panels' control ports."""
        return tuple(server.port for server in self._servers)

    async def close(self) -> None:
        """Finish the drawing in progress and close the sockets."""
        if self._drawing:
            await asyncio.wait(self._drawing)
        for server in self._servers:
            await asyncio.to_thread(server.stop)

    def show(self, shot: Sample) -> None:
        """Draw a shot that the room's imager has read out, for the panels that were triggered."""
        if not isinstance(shot, FiducialShot):
            return
        sides = self._sides.pop(shot.shot_id, set())
        task = self._loop.create_task(self._draw(shot, sorted(sides)))
        self._drawing.add(task)
        task.add_done_callback(self._drawing.discard)

    def _passing_on(self, side: int) -> Callable[[int], None]:
        def triggered(now_ns: int) -> None:
            self._loop.call_soon_threadsafe(self._triggered, side)

        return triggered

    def _triggered(self, side: int) -> None:
        now_ns = self._clock()
        open_sides = self._sides.get(self._number)
        if open_sides is None or side in open_sides or now_ns - self._opened_ns > TOGETHER_NS:
            self._number += 1
            self._opened_ns = now_ns
            self._sides[self._number] = {side}
            self._expose(SendExpose(now_ns, self._device, self._number))
        else:
            open_sides.add(side)
        for old in [number for number in self._sides if number < self._number - 8]:
            del self._sides[old]

    async def _draw(self, shot: FiducialShot, sides: list[int]) -> None:
        drawn = await asyncio.to_thread(self._drawn, shot, sides)
        for side, pixels in zip(sides, drawn, strict=True):
            self.twins[side].develop(pixels, shot.ticks)
            self._servers[side].ring()
        self.shots += 1

    def _drawn(self, shot: FiducialShot, sides: list[int]) -> list[Picture]:
        with self._lock:
            return [self._radiographs.expose(side, shot.fiducials_mm) for side in sides]


def radiographs_of(settings: StereoXrayWire, context: TwinContext) -> Radiographs:
    """Return what renders the radiographs of a pair with these settings."""
    return Radiographs(
        xray_geometry(settings),
        context.fiducials,
        context.seed,
        settings.seed_diameter_mm,
        settings.seed_length_mm,
    )


@contextlib.asynccontextmanager
async def _opened(
    settings: GigeXrayWire,
    context: TwinContext,
    clock: Callable[[], int],
    obey: Callable[[Command], None],
) -> AsyncGenerator[ServedTwin, None]:
    places = (host_and_port(settings.left), host_and_port(settings.right))
    radiographs = radiographs_of(settings, context)
    panels = XrayPanels(context.device, radiographs, places, clock, obey)
    try:
        yield ServedTwin(panels.text, panels.show, lambda: f"imager: {panels.shots} shots")
    finally:
        await panels.close()


def _alone(request: TwinRequest) -> GigeXrayWire:
    port = request.port_only("gige-xray", "X-ray panels are on UDP", 3956)
    return GigeXrayWire(left=f"127.0.0.1:{port}", right=f"127.0.0.1:{port + 1}")


GIGE_XRAY = TwinRow(
    driver="gige-xray",
    open=_opened,
    alone=Alone(
        name="xray",
        does="pair of X-ray panels on GigE Vision",
        section="imager",
        settings=_alone,
    ),
)
