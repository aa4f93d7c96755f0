# pyright: reportMissingImports=false
"""Take pictures of several parts by Aravis's client; run by the system's Python.

Argument: a JSON object with ``bytes`` (of one payload) and ``pictures`` (how many). Prints one JSON
line a picture: for each part its data type, width, height, pixel format, component and bytes.
"""

from __future__ import annotations

import json
import sys

import gi

gi.require_version("Aravis", "0.8")
from gi.repository import Aravis, Gio  # noqa: E402

settings = json.loads(sys.argv[1])
loopback = Gio.InetAddress.new_from_string("127.0.0.1")
device = Aravis.GvDevice.new(loopback, loopback)
stream = device.create_stream(lambda *_: None, None)
for _ in range(4):
    stream.push_buffer(Aravis.Buffer.new_allocate(settings["bytes"]))
device.execute_command("AcquisitionStart")
told = 0
for _ in range(50):
    buffer = stream.timeout_pop_buffer(1_000_000)
    if buffer is None:
        continue
    if buffer.get_status() == Aravis.BufferStatus.SUCCESS:
        parts = [
            {
                "type": int(buffer.get_part_data_type(part)),
                "width": buffer.get_part_width(part),
                "height": buffer.get_part_height(part),
                "format": buffer.get_part_pixel_format(part),
                "component": buffer.get_part_component_id(part),
                "hex": bytes(buffer.get_part_data(part)).hex(),
            }
            for part in range(buffer.get_n_parts())
        ]
        print(json.dumps(parts), flush=True)
        told += 1
        if told == settings["pictures"]:
            break
    stream.push_buffer(buffer)
device.execute_command("AcquisitionStop")
