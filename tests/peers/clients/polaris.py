"""Run by test_polaris.py in a process of its own: scikit-surgerynditracker reads the twin."""

from __future__ import annotations

import json
import sys
import time

from sksurgerynditracker.nditracker import NDITracker

settings = json.loads(sys.argv[1])
tracker = NDITracker(settings)
tracker.start_tracking()
until = time.monotonic() + 1.0
seen: dict[int, list[float]] = {}
polls = 0
while time.monotonic() < until:
    _, _, numbers, tracking, quality = tracker.get_frame()
    polls += 1
    if numbers and tracking[0].shape == (4, 4):
        seen[int(numbers[0])] = [*map(float, tracking[0][:3, 3]), float(quality[0])]
command = tracker._capture_string
tracker.stop_tracking()
tracker.close()
print("RESULT", json.dumps({"polls": polls, "seen": seen, "command": command}))
