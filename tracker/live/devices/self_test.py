"""Test disk, dates, devices and clocks before a live start; a test that fails refuses the start.

A check is a function that yields what it found. The checks of the first table need no device;
those of the second judge what each device sent during the test. The gate's driver tries the gate's
own watchdog before it reports the gate as connected, so "there" includes that trial.
"""

from __future__ import annotations

import asyncio
import datetime
import math
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from hal.driver import GATE, CalibratedSettings
from hal.messages import BeamStatus
from hal.sealed import SealError, read_sealed
from tracker.config import Configuration, ConfigurationError
from tracker.live.devices.arrangement import Arrangement, marker_cameras, pose_sha256
from tracker.live.devices.device_plan import DevicePlan
from tracker.live.devices.latency_file import MeasuredLatency, refuse_other_latency
from tracker.live.devices.probe import Probed, probe_all
from tracker.wires import device_section

SLOW_WRITE_S = 0.5
"""A disk that needs so long for one small write cannot record every tick."""
REMIND_SHARE = 0.9
"""The share of its allowed age after which a check is said to be due soon."""


class Finding(NamedTuple):
    """What one check found: whether it passed, and the words for it, with what to do."""

    check: str
    passed: bool
    text: str

    def line(self) -> str:
        """Return it as a line for the terminal."""
        return f"self-test: {'passed' if self.passed else 'FAILED'}: {self.check}: {self.text}"


def self_test(
    configuration: Configuration, plans: dict[str, DevicePlan], folder: Path
) -> list[Finding]:
    """Run every check, listening to the devices for ``self_test.seconds``; return all findings."""
    now = datetime.datetime.now(datetime.UTC)
    findings = [
        Finding(name, passed, text)
        for name, check in BEFORE.items()
        for passed, text in check(configuration, folder, now)
    ]
    seconds = configuration.operation.self_test.seconds
    probed = asyncio.run(probe_all(plans, seconds, False))
    for plan, each in zip(plans.values(), probed, strict=True):
        findings += [
            Finding(f"{each.device}: {name}", passed, text)
            for name, check in LISTENING.items()
            for passed, text in check(configuration, plan, each)
        ]
    return findings


Found = Iterator[tuple[bool, str]]


def _disk(configuration: Configuration, folder: Path, now: datetime.datetime) -> Found:
    least = configuration.operation.records.least_free_mb
    free = shutil.disk_usage(folder).free // 1_000_000
    yield free >= least, f"{free} MB free in {folder}, at least {least} are needed"


def _journal(configuration: Configuration, folder: Path, now: datetime.datetime) -> Found:
    path = folder / ".self-test"
    try:
        began = datetime.datetime.now(datetime.UTC)
        with path.open("wb") as file:
            file.write(bytes(65536))
            file.flush()
            os.fsync(file.fileno())
        took = (datetime.datetime.now(datetime.UTC) - began).total_seconds()
        path.unlink()
    except OSError as error:
        yield False, f"{folder}: cannot be written ({error.strerror}); correct records.folder"
        return
    yield took <= SLOW_WRITE_S, f"written through in {took * 1e3:.0f} ms, limit {SLOW_WRITE_S:g} s"


def _latency(configuration: Configuration, folder: Path, now: datetime.datetime) -> Found:
    wires, limit = configuration.wires, configuration.operation.self_test.latency_days
    if wires is None or not wires.latency_file:
        yield True, "not measured; name one with wires.latency_file (tidetrack latency --out)"
        return
    try:
        refuse_other_latency(configuration)
    except ConfigurationError as error:
        yield False, str(error)
        return
    found = read_sealed(configuration.folder / wires.latency_file, MeasuredLatency)
    yield _age(found.made, now, limit, "measure again with tidetrack latency")


def _calibrations(configuration: Configuration, folder: Path, now: datetime.datetime) -> Found:
    from hal.imaging.calibration_file import read_calibration
    from hal.imaging.phantom import CalibrationError

    limit = configuration.operation.self_test.calibration_days
    wires = configuration.wires
    for wire in () if wires is None else wires.devices.values():
        settings, kind = wire.settings, wire.driver.calibrated_as
        if kind is None or not isinstance(settings, CalibratedSettings) or not settings.calibration:
            continue
        path = configuration.folder / settings.calibration
        device = device_section(configuration.controller, wire.section).device
        try:
            made = read_calibration(path, kind, device).made
        except CalibrationError as error:
            yield False, str(error)
            continue
        passed, text = _age(made, now, limit, "calibrate again")
        yield passed, f"{wire.section}: {text}"


def _arrangement(configuration: Configuration, folder: Path, now: datetime.datetime) -> Found:
    wanted = configuration.operation.self_test
    if not wanted.arrangement_file:
        yield True, "not asked for; name one with self_test.arrangement_file"
        return
    cameras = marker_cameras(configuration)
    if not cameras:
        yield True, "no marker camera has a wire, so there is nothing to check"
        return
    path = configuration.folder / wanted.arrangement_file
    again = f"check again: tidetrack arrangement CONFIG --out {path}"
    try:
        found = read_sealed(path, Arrangement)
    except SealError as error:
        yield False, f"{error}; {again}"
        return
    by_device = {camera.device: camera for camera in found.cameras}
    for camera in cameras.values():
        seen = by_device.get(camera.device)
        if seen is None:
            checked = ", ".join(by_device) or "none"
            yield False, f"{path}: {camera.device} was not checked, but {checked}; {again}"
        elif seen.pose_sha256 != pose_sha256(configuration, camera):
            yield False, f"{camera.device}: made for another camera pose or plate; {again}"
        elif (worst_mm := max(seen.errors_mm, default=math.inf)) > found.tolerance_mm:
            off = f"{worst_mm:.1f} mm off, limit {found.tolerance_mm:g} mm"
            yield False, f"{camera.device}: {off}; {again}"
        else:
            passed, text = _age(found.made, now, wanted.arrangement_days, again)
            yield passed, f"{camera.device}: {text}"


def _there(configuration: Configuration, plan: DevicePlan, probed: Probed) -> Found:
    trouble = "; ".join(probed.trouble[:2])
    if not probed.good:
        yield False, f"not there or silent: {trouble or 'nothing came'}; check cable and power"
    else:
        yield True, probed.identity or "there"


def _rate(configuration: Configuration, plan: DevicePlan, probed: Probed) -> Found:
    found, share = probed.found, configuration.operation.self_test.rate_share
    if probed.nominal_hz is None or found.rate_hz is None:
        return
    passed = abs(found.rate_hz / probed.nominal_hz - 1.0) <= share
    said = f"{found.rate_hz:.1f} Hz, configured are {probed.nominal_hz:g} Hz"
    yield passed, said if passed else f"{said}; check the device, or correct {plan.section}.rate_hz"


def _clock(configuration: Configuration, plan: DevicePlan, probed: Probed) -> Found:
    drift, limit = probed.found.drift_ppm, configuration.operation.self_test.drift_ppm
    if drift is not None:
        yield abs(drift) <= limit, f"clock {drift:+.0f} ppm off the host's, limit {limit:g} ppm"


def _beam_off(configuration: Configuration, plan: DevicePlan, probed: Probed) -> Found:
    if plan.context.role == GATE:
        on = any(isinstance(sample, BeamStatus) and sample.on for sample in probed.samples)
        yield (
            not on,
            "beam on without a permit; check the gate" if on else "beam off, watchdog bites",
        )


Check = Callable[[Configuration, Path, datetime.datetime], Found]
Listening = Callable[[Configuration, DevicePlan, Probed], Found]

BEFORE: dict[str, Check] = {
    "disk": _disk,
    "journal": _journal,
    "latency": _latency,
    "calibration": _calibrations,
    "arrangement": _arrangement,
}
LISTENING: dict[str, Listening] = {
    "link": _there,
    "rate": _rate,
    "clock": _clock,
    "beam": _beam_off,
}


def _age(made: str, now: datetime.datetime, limit_days: int, remedy: str) -> tuple[bool, str]:
    try:
        when = datetime.datetime.fromisoformat(made)
    except ValueError:
        return False, f"its date {made!r} is none; {remedy}"
    if when.tzinfo is None:
        when = when.replace(tzinfo=datetime.UTC)
    days = (now - when).total_seconds() / 86400.0
    if days < -1.0:
        return False, f"made in the future ({made}); check the computer's date"
    passed = days <= limit_days
    due = f"; due soon: {remedy}" if passed and days > REMIND_SHARE * limit_days else ""
    return passed, f"{days:.0f} days old, limit {limit_days}{due if passed else f'; {remedy}'}"
