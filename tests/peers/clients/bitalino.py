"""Run by test_bitalino.py in a process of its own: BITalino's client acquires from the twin."""

from __future__ import annotations

import contextlib
import json
import sys
import time

# This folder comes first on the path of a script in it, and this file has the client's name.
sys.path.pop(0)
from bitalino import BITalino

settings = json.loads(sys.argv[1])
device = BITalino(settings["address"])
version = device.version()
device.start(settings["rate_hz"], [c - 1 for c in settings["channels"]])
begun = time.monotonic()
rows = device.read(settings["samples"])
took_s = time.monotonic() - begun
# The client raises when it stops or closes a socket with nothing to read: not the twin's doing.
with contextlib.suppress(Exception):
    device.stop()
with contextlib.suppress(Exception):
    device.close()
print("RESULT", json.dumps({"version": version, "took_s": took_s, "rows": rows.tolist()}))
