# pyright: reportMissingImports=false
"""A GigE Vision camera of Aravis showing pictures of ours; run by the system's Python.

Argument: a JSON object with ``picture`` (raw 8-bit file), ``width``, ``height``, ``serial``.
Prints READY, serves until its standard input closes.
"""

from __future__ import annotations

import ctypes
import json
import sys
from pathlib import Path

import gi

gi.require_version("Aravis", "0.8")
from gi.repository import Aravis  # noqa: E402

settings = json.loads(sys.argv[1])
picture = Path(settings["picture"]).read_bytes()
size = settings["width"] * settings["height"]

library = ctypes.CDLL("libaravis-0.8.so.0")
Fill = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32
)
library.arv_buffer_get_data.restype = ctypes.c_void_p
library.arv_buffer_get_data.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_size_t)]
library.arv_fake_camera_set_fill_pattern.argtypes = [ctypes.c_void_p, Fill, ctypes.c_void_p]


@Fill
def fill(buffer, _data, _exposure, _gain, _format):
    """Lay the picture into the camera's buffer."""
    there = library.arv_buffer_get_data(buffer, None)
    ctypes.memmove(there, picture, size)


server = Aravis.GvFakeCamera.new("127.0.0.1", settings["serial"])
assert server.is_running()
camera = server.get_fake_camera()
library.arv_fake_camera_set_fill_pattern(hash(camera), fill, None)
print("READY", flush=True)
sys.stdin.read()
