"""What a device needs to be built anywhere, also in a process of its own.

A `DevicePlan` holds everything by value, so that it can be sent down a socket as bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec

from hal.clock import HostClock
from hal.driver import AnyDriver, DriverContext, DriverSettings, DriverTable
from hal.motion_limits import MotionLimits
from hal.registry import DRIVERS
from tracker.build.wire_problems import wire_problems
from tracker.config import Configuration, ConfigurationError
from tracker.core.settings import Controller
from tracker.wires import DeviceWire, device_section


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePlan:
    """One device to be connected: its driver, the driver's settings, and what else it must know.

    ``section`` is the device's section of the configuration. ``start_ns`` is the moment of the
    system's monotonic clock from which the run counts its time.
    """

    section: str
    driver: AnyDriver
    settings: DriverSettings
    context: DriverContext
    start_ns: int = 0

    @property
    def device(self) -> str:
        """The name that the device's messages carry."""
        return self.context.device


class SentPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A `DevicePlan` as bytes: the driver by its name, its settings encoded."""

    section: str
    driver: str
    settings: msgspec.Raw
    context: DriverContext
    start_ns: int


def encode_plan(plan: DevicePlan) -> bytes:
    """Return the plan as bytes."""
    return msgspec.msgpack.encode(
        SentPlan(
            section=plan.section,
            driver=plan.driver.name,
            settings=msgspec.Raw(msgspec.msgpack.encode(plan.settings)),
            context=plan.context,
            start_ns=plan.start_ns,
        )
    )


def decode_plan(data: bytes, drivers: DriverTable = DRIVERS) -> DevicePlan:
    """Return the plan that `encode_plan` made bytes of; its driver must stand in the table."""
    sent = msgspec.msgpack.decode(data, type=SentPlan)
    driver = drivers.row(sent.driver)
    return DevicePlan(
        section=sent.section,
        driver=driver,
        settings=msgspec.msgpack.decode(sent.settings, type=driver.settings),
        context=sent.context,
        start_ns=sent.start_ns,
    )


def device_plans(configuration: Configuration) -> dict[str, DevicePlan]:
    """Return the plans of a configuration by section, sources first.

    Raises `ConfigurationError` for a configuration without wires, or with settings that do not
    suit the role of their device.
    """
    name = configuration.path or "configuration"
    if configuration.wires is None:
        raise ConfigurationError([f"{name}: has no [wires]; add a section for each device"])
    wires = configuration.wires.devices
    problems = list(wire_problems(configuration))
    if problems:
        raise ConfigurationError(problems)
    context = _room_context(configuration)
    return {
        section: DevicePlan(
            section=section,
            driver=wire.driver,
            settings=wire.settings,
            context=_device_context(context, wire, configuration.controller),
        )
        for section, wire in wires.items()
    }


def starting(plan: DevicePlan, clock: HostClock) -> DevicePlan:
    """Return the plan for a run that counts its time from where ``clock`` does."""
    return replace(plan, start_ns=clock.start_ns)


def _room_context(configuration: Configuration) -> DriverContext:
    """Return what every device of the room shares, without a device's name, role and rate."""
    # Imported here: a process that merely serves a robot needs none of the frames.
    from tracker.core.frames import PatientPoint, patient_to_table

    controller = configuration.controller
    orientation = controller.session.orientation
    planned = tuple(
        (float(x), float(y), float(z))
        for x, y, z in (
            patient_to_table(PatientPoint(place), orientation)
            for place in controller.imager.fiducials_mm
        )
    )
    guard, reach = controller.guard, controller.actuator.limit_mm
    limits = MotionLimits(
        (-reach, -reach, -reach),
        (reach, reach, reach),
        guard.speed_mm_s,
        guard.acceleration_mm_s2,
    )
    return DriverContext(
        device="",
        role="",
        folder=str(configuration.folder),
        tick_ns=round(1e9 / controller.timing.tick_hz),
        limits=limits,
        planned_mm=planned,
        answer_ms=controller.imager.answer_within_s * 1e3,
    )


def _device_context(
    context: DriverContext, wire: DeviceWire, controller: Controller
) -> DriverContext:
    section = device_section(controller, wire.section)
    return msgspec.structs.replace(
        context,
        device=section.device,
        role=wire.role,
        rate_hz=getattr(section, "rate_hz", 0.0),
    )
