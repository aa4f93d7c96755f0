"""`tidetrack arrangement`: check the cameras' poses on markers at known positions (hazard H05).

No signal shows a wrong sign or exchanged axes in a camera's pose: breathing looks like breathing
from every side. Therefore, once a day, a plate with markers at measured positions is put at the
isocentre, and every marker camera must see every marker at its position. The markers must be
arranged without symmetry: a plate that a rotation or a mirror maps onto itself is refused.
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
from tracker.core.settings import Camera
from tracker.live.devices.device_plan import device_plans
from tracker.live.devices.probe import Probed, probe_all
from tracker.wires import SOURCE_SECTIONS

SECONDS = 5.0
AXES = "XYZ"

AxisExchange = tuple[tuple[int, ...], tuple[int, ...]]
"""Which axis replaces X, Y and Z, and with which sign."""

EXCHANGES: tuple[AxisExchange, ...] = tuple(
    (axes, signs)
    for axes in itertools.permutations((0, 1, 2))
    for signs in itertools.product((1, -1), repeat=3)
)
"""Every exchange of axes and signs; the first changes nothing."""


class CameraErrors(msgspec.Struct, frozen=True, kw_only=True):
    """What one camera saw: how far each marker was from its position."""

    device: str
    errors_mm: tuple[float, ...]
    pose_sha256: str
    """Digest of the camera's pose and the planned positions: another pose needs another check."""


class Arrangement(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one check: when it was made (ISO 8601, UTC), and what each camera saw."""

    made: str
    tolerance_mm: float
    cameras: tuple[CameraErrors, ...]


def marker_cameras(configuration: Configuration) -> dict[str, Camera]:
    """Return the enabled marker cameras that have a wire, by the section of each wire."""
    wired = () if configuration.wires is None else configuration.wires.devices
    return {
        section: source
        for section, source in configuration.controller.surrogate_sources().items()
        if isinstance(source, Camera) and source.enabled and section in wired
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "config",
        type=Path,
        metavar="CONFIG",
        help="configuration with the wires of its cameras, and the plate",
    )
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, metavar="S", help="seconds to read the cameras"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write self_test.arrangement_file")


def run(args: argparse.Namespace) -> int:
    """Measure, judge and write; 1 when a marker is not where it should be."""
    if not 1.0 <= args.seconds <= 600.0:
        raise ConfigurationError([f"--seconds {args.seconds:g}: allowed 1 to 600"])
    configuration = load_configuration(args.config)
    planned = configuration.operation.self_test.arrangement_mm
    tolerance_mm = configuration.operation.self_test.arrangement_tolerance_mm
    refuse_symmetric(planned, tolerance_mm)
    cameras = marker_cameras(configuration)
    if not cameras:
        raise ConfigurationError(
            ["no enabled marker camera has a wire; add [wires.camera], or enable the camera"]
        )
    found: list[CameraErrors] = []
    good = True
    for section, seen in asyncio.run(_seen(configuration, len(planned), args.seconds)).items():
        camera = cameras[section]
        errors = errors_mm(seen, planned)
        for index, (error, place) in enumerate(zip(errors, seen, strict=True)):
            where = ", ".join(f"{value:.1f}" for value in place)
            print(f"{camera.device}: marker {index + 1}: seen at ({where}) mm, {error:.2f} mm off")
        if max(errors) > tolerance_mm:
            good = False
            worst = f"off by {max(errors):.1f} mm, tolerance {tolerance_mm:g} mm"
            print(f"{camera.device}: a marker is {worst}")
            print(f"{camera.device}: {advice(seen, planned, tolerance_mm, key_of(section))}")
        found.append(
            CameraErrors(
                device=camera.device,
                errors_mm=tuple(round(error, 3) for error in errors),
                pose_sha256=pose_sha256(configuration, camera),
            )
        )
    if not good:
        return 1
    if args.out is not None:
        made = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        write_sealed(
            args.out, Arrangement(made=made, tolerance_mm=tolerance_mm, cameras=tuple(found))
        )
    worst_mm = max(error for camera in found for error in camera.errors_mm)
    print(f"every marker is at its position, within {worst_mm:.2f} mm")
    return 0


def key_of(section: str) -> str:
    """Return what the configuration calls the section of a surrogate source."""
    return section if section in SOURCE_SECTIONS else f"sources.{section}"


def refuse_symmetric(planned: Sequence[Triple], tolerance_mm: float) -> None:
    """Raise `ConfigurationError` for a plate that would not show a wrong axis or sign."""
    key = "self_test.arrangement_mm"
    if len(planned) < 3:
        raise ConfigurationError([f"{key}: {len(planned)} markers; give the places of at least 3"])
    for exchange in EXCHANGES[1:]:
        moved = max(math.dist(exchanged(place, exchange), place) for place in planned)
        if moved <= 2.0 * tolerance_mm:
            raise ConfigurationError(
                [
                    f"{key}: looks the same with {named(exchange)} ({moved:.1f} mm, twice the "
                    f"tolerance is {2 * tolerance_mm:g} mm); place the markers without symmetry"
                ]
            )


def errors_mm(seen: Sequence[Triple], planned: Sequence[Triple]) -> list[float]:
    """Return each marker's distance from its position, in millimetres."""
    return [math.dist(one, other) for one, other in zip(seen, planned, strict=True)]


def advice(
    seen: Sequence[Triple], planned: Sequence[Triple], tolerance_mm: float, section: str
) -> str:
    """Say which exchange of axes or signs would explain what was seen, if one does.

    ``section`` is the configuration's section with the pose of the camera.
    """
    for exchange in EXCHANGES[1:]:
        if max(errors_mm([exchanged(place, exchange) for place in seen], planned)) <= tolerance_mm:
            return (
                f"it would be with {named(exchange)}; correct {section}.rotation_deg, "
                "then check again"
            )
    return f"no exchange of axes or signs explains it; measure {section}.position_mm and the plate"


def exchanged(place: Triple, exchange: AxisExchange) -> Triple:
    """Return the position with axes exchanged and signs changed."""
    axes, signs = exchange
    return (
        signs[0] * place[axes[0]],
        signs[1] * place[axes[1]],
        signs[2] * place[axes[2]],
    )


def named(exchange: AxisExchange) -> str:
    """Return an exchange in words: ``X = -Y, Y = X, Z = Z``."""
    axes, signs = exchange
    parts = (f"{AXES[i]} = {'-' if signs[i] < 0 else ''}{AXES[axes[i]]}" for i in range(3))
    return ", ".join(parts)


def pose_sha256(configuration: Configuration, camera: Camera) -> str:
    """Return the SHA-256 over a camera's pose and the planned positions."""
    planned = configuration.operation.self_test.arrangement_mm
    content = msgspec.json.encode((camera.position_mm, camera.rotation_deg, planned))
    return hashlib.sha256(content).hexdigest()


async def _seen(
    configuration: Configuration, count: int, seconds: float
) -> dict[str, list[Triple]]:
    """Return every marker's mean position (fixed frame) by each camera, by the camera's section.

    Raises `ConfigurationError` for a camera that sends nothing or does not see every marker.
    """
    cameras = marker_cameras(configuration)
    plans = {name: plan for name, plan in device_plans(configuration).items() if name in cameras}
    probed = await probe_all(plans, seconds, False)
    return {
        section: _means(one, cameras[section], count)
        for section, one in zip(plans, probed, strict=True)
    }


def _means(probed: Probed, camera: Camera, count: int) -> list[Triple]:
    """Return the mean position of every marker that one camera saw, fixed frame."""
    if not probed.good:
        raise ConfigurationError([f"{probed.device}: {'; '.join(probed.trouble) or 'no frame'}"])
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
