"""`tidetrack arrangement`: markers at known places, seen where they are (hazard H05).

A wrong sign or exchanged axes in the camera's pose shows in no signal: breathing looks like
breathing from any side. So once a day a plate with markers at measured places lies at the
isocentre, the camera looks, and every marker must be where it is. The plate's markers must be
arranged without symmetry; one that a turn or a mirror maps onto itself is refused.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import hashlib
import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import msgspec

from hal.messages import MarkerFrame, Triple
from hal.sealed import write_sealed
from tracker.config import Configuration, ConfigurationError, load_configuration
from tracker.core.frames import CameraPoint, CameraPose
from tracker.live.devices.device_plan import device_plans
from tracker.live.devices.probe import probe_all

SECONDS = 5.0
AXES = "XYZ"

Turn = tuple[tuple[int, ...], tuple[int, ...]]
"""Which axis stands in place of X, Y and Z, and with which sign."""

TURNS: tuple[Turn, ...] = tuple(
    (order, signs)
    for order in itertools.permutations((0, 1, 2))
    for signs in itertools.product((1, -1), repeat=3)
)
"""Every way of exchanging axes and signs; the first leaves all as it is."""


class Arrangement(msgspec.Struct, frozen=True, kw_only=True):
    """One check: for which camera, when (ISO 8601, UTC), and how far each marker was off."""

    device: str
    made: str
    errors_mm: tuple[float, ...]
    tolerance_mm: float
    pose_sha256: str
    """Of pose and planned places: another pose needs another check."""

    @property
    def good(self) -> bool:
        """Whether every marker was where it is."""
        return max(self.errors_mm) <= self.tolerance_mm


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "config", type=Path, metavar="CONFIG", help="with [wires.camera] and the plate's markers"
    )
    parser.add_argument("--seconds", type=float, default=SECONDS, metavar="S", help="to look for")
    parser.add_argument("--out", type=Path, metavar="FILE", help="for self_test.arrangement_file")


def run(args: argparse.Namespace) -> int:
    """Look, judge, write; 1 when a marker is not where it should be."""
    if not 1.0 <= args.seconds <= 600.0:
        raise ConfigurationError([f"--seconds {args.seconds:g}: allowed 1 to 600"])
    configuration = load_configuration(args.config)
    planned = configuration.operation.self_test.arrangement_mm
    tolerance_mm = configuration.operation.self_test.arrangement_tolerance_mm
    refuse_symmetric(planned, tolerance_mm)
    seen = asyncio.run(_seen(configuration, len(planned), args.seconds))
    errors = errors_mm(seen, planned)
    for index, (error, place) in enumerate(zip(errors, seen, strict=True)):
        where = ", ".join(f"{value:.1f}" for value in place)
        print(f"marker {index + 1}: seen at ({where}) mm, {error:.2f} mm off")
    found = Arrangement(
        device=configuration.controller.camera.device,
        made=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        errors_mm=tuple(round(error, 3) for error in errors),
        tolerance_mm=tolerance_mm,
        pose_sha256=pose_sha256(configuration),
    )
    if not found.good:
        print(f"not where it is: {max(errors):.1f} mm, tolerance {tolerance_mm:g} mm")
        print(advice(seen, planned, tolerance_mm))
        return 1
    if args.out is not None:
        write_sealed(args.out, found)
    print(f"every marker is where it is, within {max(errors):.2f} mm")
    return 0


def refuse_symmetric(planned: Sequence[Triple], tolerance_mm: float) -> None:
    """Raise `ConfigurationError` for a plate on which a wrong axis or sign could hide."""
    key = "self_test.arrangement_mm"
    if len(planned) < 3:
        raise ConfigurationError([f"{key}: {len(planned)} markers; give the places of at least 3"])
    for turn in TURNS[1:]:
        moved = max(math.dist(turned(place, turn), place) for place in planned)
        if moved <= 2.0 * tolerance_mm:
            raise ConfigurationError(
                [
                    f"{key}: looks the same with {named(turn)} ({moved:.1f} mm, twice the "
                    f"tolerance is {2 * tolerance_mm:g} mm); place the markers without symmetry"
                ]
            )


def errors_mm(seen: Sequence[Triple], planned: Sequence[Triple]) -> list[float]:
    """How far each marker is from where it should be."""
    return [math.dist(one, other) for one, other in zip(seen, planned, strict=True)]


def advice(seen: Sequence[Triple], planned: Sequence[Triple], tolerance_mm: float) -> str:
    """What would explain what was seen: exchanged axes or signs, if anything so simple does."""
    for turn in TURNS[1:]:
        if max(errors_mm([turned(place, turn) for place in seen], planned)) <= tolerance_mm:
            return f"it would be with {named(turn)}; correct camera.rotation_deg, then look again"
    return "no exchange of axes or signs explains it; measure camera.position_mm and the plate"


def turned(place: Triple, turn: Turn) -> Triple:
    """The place with axes exchanged and signs changed."""
    order, signs = turn
    return (
        signs[0] * place[order[0]],
        signs[1] * place[order[1]],
        signs[2] * place[order[2]],
    )


def named(turn: Turn) -> str:
    """A turn in words: ``X = -Y, Y = X, Z = Z``."""
    order, signs = turn
    parts = (f"{AXES[i]} = {'-' if signs[i] < 0 else ''}{AXES[order[i]]}" for i in range(3))
    return ", ".join(parts)


def pose_sha256(configuration: Configuration) -> str:
    """SHA-256 over camera pose and planned places."""
    camera = configuration.controller.camera
    planned = configuration.operation.self_test.arrangement_mm
    content = msgspec.json.encode((camera.position_mm, camera.rotation_deg, planned))
    return hashlib.sha256(content).hexdigest()


async def _seen(configuration: Configuration, count: int, seconds: float) -> list[Triple]:
    """Every marker's mean place in the fixed frame; raises `ConfigurationError` without it."""
    orders = {role: o for role, o in device_plans(configuration).items() if role == "camera"}
    if not orders:
        raise ConfigurationError(["wires.camera: missing; add it"])
    (probed,) = await probe_all(orders, configuration, seconds, False)
    if not probed.good:
        raise ConfigurationError([f"{probed.device}: {'; '.join(probed.trouble) or 'no frame'}"])
    camera = configuration.controller.camera
    pose = CameraPose.of(camera.position_mm, camera.rotation_deg)
    frames = [sample for sample in probed.samples if isinstance(sample, MarkerFrame)]
    means: list[Triple] = []
    for index in range(count):
        places = [
            pose.to_fixed(CameraPoint(place))
            for frame in frames
            if len(frame.markers_mm) == count and (place := frame.markers_mm[index]) is not None
        ]
        if len(places) < 0.9 * len(frames):
            line = f"{probed.device}: marker {index + 1} of {count} was seen in {len(places)} of "
            raise ConfigurationError([f"{line}{len(frames)} frames; clear the camera's view"])
        x, y, z = (sum(values) / len(places) for values in zip(*places, strict=True))
        means.append((x, y, z))
    return means
