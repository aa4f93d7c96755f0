"""Example of a receiver of demands in beam's-eye view, for a controller of leaves. Plain Python.

    python tests/examples/leaf_receiver.py [PORT]

It follows each demand at the speed of a leaf, says where the aperture is a hundred times a second,
and stops by itself when no message has come for 200 ms. The messages: docs/reference/bev-udp.json.
"""

import json
import math
import socket
import sys
import time

LEAF_MM_S = 30.0
PERIOD_S = 0.01
LONGEST_SILENCE_S = 0.2


def main(port: int) -> None:
    """Receive, move and report until interrupted."""
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    link.bind(("127.0.0.1", port))
    link.settimeout(PERIOD_S)
    print(f"leaves at udp://127.0.0.1:{link.getsockname()[1]}", flush=True)
    sender, number, heard_s, told_s = None, 0, 0.0, time.monotonic()
    at, wanted = [0.0, 0.0], [0.0, 0.0]
    while True:
        try:
            data, address = link.recvfrom(512)
            message = json.loads(data)
            kind, count = message["type"], message["number"]
            place = [float(message["x_mm"]), float(message["y_mm"])] if kind == "demand" else at[:]
            if message["version"] != 1 or kind not in ("demand", "stop"):
                raise ValueError("not for a receiver")
            if not all(math.isfinite(value) for value in place):
                raise ValueError("no number")
            if kind == "stop" and count == 1:
                number = 0  # a sender begins again
            if count > number:
                sender, number, wanted, heard_s = address, count, place, time.monotonic()
        except TimeoutError:
            pass
        except (ValueError, KeyError, TypeError) as error:
            print(f"ignored: {error}", flush=True)
        now_s = time.monotonic()
        if now_s - heard_s > LONGEST_SILENCE_S:
            wanted = at[:]
        if now_s - told_s < PERIOD_S:
            continue
        most_mm, told_s = LEAF_MM_S * (now_s - told_s), now_s
        for axis in range(2):
            way = wanted[axis] - at[axis]
            at[axis] += max(-most_mm, min(most_mm, way))
        if sender is not None:
            status = {"type": "status", "version": 1, "number": number}
            link.sendto(json.dumps(status | {"x_mm": at[0], "y_mm": at[1]}).encode(), sender)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50120)
