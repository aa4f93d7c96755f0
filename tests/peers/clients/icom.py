"""Run by test_icom.py in a process of its own: pymedphys listens to the twin and decodes it."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from pymedphys._icom import delivery, extract, listener

settings = json.loads(sys.argv[1])
listener.ICOM_PORT = settings["port"]
folder = Path(settings["folder"])
threading.Thread(target=listener.listen, args=("127.0.0.1", folder), daemon=True).start()
files: list[Path] = []
while len(files) <= settings["messages"]:  # the last one may be half written
    time.sleep(0.02)
    files = sorted(folder.glob("live/127.0.0.1/*.txt"))
messages = [file.read_bytes() for file in files[: settings["messages"]]]
labels = ("Delivery MU", "Gantry", "Collimator", "Table Isocentric", "Table Column", "Machine ID")
result: dict[str, Any] = {
    label: [extract.extract(message, label)[1] for message in messages] for label in labels
}
units, gantry, collimator, leaves, jaws = delivery.delivery_from_icom_stream(b"".join(messages))
result["delivery"] = [units.tolist(), gantry.tolist(), collimator.tolist()]
result["leaves"], result["jaws"] = leaves.shape, jaws[0].tolist()
result["counters"] = [int(file.stem) for file in files[: settings["messages"]]]
print("RESULT", json.dumps(result), flush=True)
os._exit(0)  # the listener never ends by itself
