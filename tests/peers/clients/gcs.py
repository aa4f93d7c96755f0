"""Run by test_gcs.py in a process of its own: PI's pipython drives the twin."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from pipython.pidevice.gcscommands import GCSCommands
from pipython.pidevice.gcsmessages import GCSMessages
from pipython.pidevice.interfaces.pisocket import PISocket

port = json.loads(sys.argv[1])["port"]
result: dict[str, Any] = {}


def error_of(act: Any) -> int:
    try:
        act()
    except Exception as error:  # pipython's GCSError carries the code as `val`
        return int(getattr(error, "val", -9999))
    return 0


with PISocket(host="127.0.0.1", port=port) as gateway:
    couch: Any = GCSCommands(GCSMessages(gateway))
    result["identity"] = couch.qIDN().strip()
    result["axes"] = couch.axes
    result["unreferenced"] = error_of(lambda: couch.MOV("X", 1.0))
    couch.FRF("X")
    began = time.monotonic()
    while not couch.IsControllerReady():
        time.sleep(0.05)
    result["reference_s"] = time.monotonic() - began
    result["referenced"] = list(couch.qFRF().values())
    couch.VLS(20)
    result["speed"] = couch.qVLS()
    result["lowest"] = couch.qTMN("X")["X"]
    couch.MOV({"X": 5.0, "Y": -3.0})
    began = time.monotonic()
    result["moving"] = any(couch.IsMoving().values())
    while not all(couch.qONT(["X", "Y"]).values()):
        time.sleep(0.01)
    result["took_s"] = time.monotonic() - began
    result["position"] = [couch.qPOS()[axis] for axis in "XYZ"]
    result["limit"] = error_of(lambda: couch.MOV("X", 60.0))
    result["fast"] = error_of(lambda: couch.VLS(500))
    couch.MOV("X", 25.0)
    time.sleep(0.2)
    result["stopped"] = error_of(couch.StopAll)
    here = couch.qPOS("X")["X"]
    time.sleep(0.2)
    result["still"] = abs(couch.qPOS("X")["X"] - here) < 1e-6 and here < 15
    couch.errcheck = False
    began = time.monotonic()
    for k in range(500):
        couch.MOV("X", 5 + 0.001 * k)
    result["last"] = couch.qMOV("X")["X"]
    result["moves_per_s"] = 500 / (time.monotonic() - began)
print("RESULT", json.dumps(result))
