"""Say whether a video source is a file, and whether the file holds a picture."""

from __future__ import annotations

from pathlib import Path


def is_video_file(source: int | str) -> bool:
    """Return whether a source is a file, with an end; not a camera or an address."""
    return isinstance(source, str) and "://" not in source and not source.startswith("/dev/")


def video_file_problem(source: str) -> str:
    """Return why the first picture of a video file cannot be read; empty: it can."""
    path = Path(source)
    try:
        with path.open("rb") as stream:
            empty = not stream.read(1)
    except OSError as error:
        return f"{path}: {(error.strerror or str(error)).lower()}; name a video file"
    if empty:
        return f"{path}: the file is empty; name a video file"
    import cv2

    capture = cv2.VideoCapture(source)
    try:
        good = capture.isOpened() and capture.read()[0]
    except cv2.error as error:
        return f"{path}: cannot be read as video ({' '.join(str(error).split())[:160]})"
    finally:
        capture.release()
    return "" if good else f"{path}: no picture in it; name a file that OpenCV can play"
