"""Open every file that a configuration names, and say what is wrong with each.

A configuration whose keys are right may still name a robot's file, a calibration or a certificate
that is missing, damaged or of another device. `tidetrack check` finds that before the run does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from hal.driver import CalibratedSettings, DriverContext
from hal.errors import DeviceError
from hal.sealed import SealError, check_seal
from tracker.api.keys import SERVER, KeysError, client_key, known_keys, server_key
from tracker.api.tokens import people
from tracker.config import Configuration
from tracker.wires import DeviceWire, device_section


def file_problems(configuration: Configuration) -> Iterator[str]:
    """Yield a line for every file that a configuration names and that cannot be used."""
    name = configuration.path or "configuration"
    yield from (f"{name}: {problem}" for problem in _problems(configuration))


def _problems(configuration: Configuration) -> Iterator[str]:
    wires, folder = configuration.wires, configuration.folder
    if wires is not None:
        for section, wire in wires.devices.items():
            context = DriverContext(
                device=device_section(configuration.controller, section).device,
                role=wire.role,
                folder=str(folder),
                tick_ns=round(1e9 / configuration.controller.timing.tick_hz),
            )
            yield from (f"wires.{section}: {what}" for what in _of_wire(wire, context))
        if wires.latency_file:
            remedy = "measure with tidetrack latency --out FILE"
            yield from _sealed("wires.latency_file", folder / wires.latency_file, remedy)
    test, page = configuration.operation.self_test, configuration.operation.console
    if test.arrangement_file:
        remedy = "check with tidetrack arrangement --out FILE"
        yield from _sealed("self_test.arrangement_file", folder / test.arrangement_file, remedy)
    for key, file in (("certificate", page.certificate), ("private_key", page.private_key)):
        if file:
            yield from _opened(f"console.{key}", Path(file))
    yield from _of_keys(configuration)


def _of_keys(configuration: Configuration) -> Iterator[str]:
    """Yield what is wrong with the keys and tokens that are there; what is missing is made.

    Their folders are relative to where the daemon is started, as in the run.
    """
    service, page = configuration.operation.service, configuration.operation.console
    if service.enabled:
        yield from _of_key_folder(Path(service.keys_folder))
    if page.start == "off":
        return
    if Path(page.key).exists():
        yield from _told("console.key", lambda: client_key(Path(page.key)))
    if Path(page.tokens).exists():
        problems = people(Path(page.tokens)).problems
        yield from (f"console.tokens: lets nobody in: {problem}" for problem in problems)


def _of_key_folder(folder: Path) -> Iterator[str]:
    """Yield what is wrong with the server's key and with each known key."""
    key = "service.keys_folder"
    if not folder.exists():
        return
    if not folder.is_dir():
        yield f"{key}: {folder}: is a file; name a folder"
        return
    if (folder / SERVER).exists():
        yield from _told(key, lambda: server_key(folder))
    yield from (f"{key}: lets nobody in: {problem}" for problem in known_keys(folder).problems)


def _told(key: str, read: Callable[[], object]) -> Iterator[str]:
    """Yield why a key cannot be used."""
    try:
        read()
    except (KeysError, OSError) as error:
        yield f"{key}: {error}"


def _of_wire(wire: DeviceWire, context: DriverContext) -> Iterator[str]:
    """Yield what is wrong with the files of one device."""
    try:
        wire.driver.read_files(wire.settings, context)
        if wire.driver.calibrated_as and isinstance(wire.settings, CalibratedSettings):
            from hal.imaging.wired_views import calibrated_views

            calibrated_views(context, wire.settings.calibration, wire.driver.calibrated_as)
    except DeviceError as error:
        yield str(error)


def _sealed(key: str, path: Path, remedy: str) -> Iterator[str]:
    try:
        check_seal(path)
    except SealError as error:
        yield f"{key}: {error}; {remedy}"


def _opened(key: str, path: Path) -> Iterator[str]:
    """Yield why a file cannot be read; its content is for the library that uses it."""
    try:
        with path.open("rb") as stream:
            if not stream.read(1):
                yield f"{key}: {path}: the file is empty; name a PEM file"
    except OSError as error:
        yield f"{key}: {path}: {(error.strerror or str(error)).lower()}; name a PEM file"
