"""Ways to break a device: what is done to a twin, or to the wire it hangs on, while all goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from hal.events import SendDemand, SendExpose
from hal.messages import FiducialShot, Triple
from hal.openigtlink.contents import Status
from hal.polaris import codec as polaris
from tests.live.memory_pictures import Eyes, Panels
from tests.live.memory_room import MemoryRoom
from tracker.core.types import SurrogateState

Make = Callable[[MemoryRoom], None]

# Wires -----------------------------------------------------------------------------------------


def joint(run: MemoryRoom, role: str) -> Any:
    """The joint of a role."""
    return run.joints[role]


class Spoiled:
    """Changes the first pieces that pass, then leaves the wire alone."""

    def __init__(self, change: Callable[[bytes], bytes], pieces: int = 1) -> None:
        self._change, self._left = change, pieces

    def __call__(self, data: bytes) -> bytes:
        """One piece of the wire."""
        if self._left <= 0:
            return data
        self._left -= 1
        return self._change(data)


class EveryOther:
    """Loses every second datagram."""

    def __init__(self) -> None:
        self._number = 0

    def __call__(self, data: bytes) -> bytes:
        """One datagram."""
        self._number += 1
        return data if self._number % 2 else b""


def flipped(data: bytes) -> bytes:
    """One bit wrong in the middle."""
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 0x04]) + data[at + 1 :]


def swallowed(data: bytes) -> bytes:
    """A wire that carries nothing."""
    return b""


def spoil(role: str, change: Callable[[bytes], bytes], pieces: int = 1) -> Make:
    """Change what the driver hears."""

    def make(run: MemoryRoom) -> None:
        joint(run, role).pair.to_driver = Spoiled(change, pieces)

    return make


def unplug(*roles: str) -> Make:
    """Cut wires."""

    def make(run: MemoryRoom) -> None:
        for role in roles:
            joint(run, role).unplugged = True

    return make


def plug(*roles: str) -> Make:
    """Mend them."""

    def make(run: MemoryRoom) -> None:
        for role in roles:
            joint(run, role).unplugged = False

    return make


def blink(role: str) -> Make:
    """The wire is out for an eighth of a second."""

    def make(run: MemoryRoom) -> None:
        began = run.now_ns
        unplug(role)(run)
        run.advance(0.12)
        plug(role)(run)
        assert run.now_ns > began

    return make


def put(role: str, name: str, value: Any, *, twin: bool = False) -> Make:
    """Set something of a joint or of its twin."""

    def make(run: MemoryRoom) -> None:
        owner = joint(run, role).twin if twin else joint(run, role)
        assert hasattr(owner, name), name
        setattr(owner, name, value)

    return make


def at_rest(make: Make) -> Make:
    """Make it at the end of exhale, when the machine stands: nothing lags for another reason."""

    def wait_and_make(run: MemoryRoom) -> None:
        still = 0
        while still < 10:
            run.advance(0.02)
            speeds = [o.velocity_mm_s for o in run.outputs if isinstance(o, SurrogateState)]
            still = still + 1 if speeds and max(map(abs, speeds)) < 2.0 else 0
        make(run)

    return wait_and_make


def both(*makes: Make) -> Make:
    """One after the other."""

    def make(run: MemoryRoom) -> None:
        for each in makes:
            each(run)

    return make


# Polaris ---------------------------------------------------------------------------------------


def refusing(code: int) -> Make:
    """The tracker answers the next poll with an error code."""
    return spoil("camera", lambda data: polaris.refusal(code))


def hide(*tools: int) -> Make:
    """The tracker no longer sees these tools."""
    return put("camera", "unplugged", set(tools), twin=True)


def repeating(run: MemoryRoom) -> None:
    """The belt's converter stands still; its counter goes on."""
    belt = joint(run, "belt")
    show, value = belt.show, belt.twin._value
    belt.show = lambda sample, now_ns: show(
        msgspec.structs.replace(sample, value_au=float(value)), now_ns
    )


# X-ray -----------------------------------------------------------------------------------------


def drawn(**settings: Any) -> Make:
    """From now on shots are drawn and read; a shot is taken soon, and this is wrong with it."""

    def make(run: MemoryRoom) -> None:
        controller = run.configuration.controller
        planned = controller.imager.fiducials_mm
        run.drawn = Panels(controller.imager.device, planned, len(planned))
        for name, value in settings.items():
            setattr(run.drawn, name, value)
        run.request("expose")

    return make


def without(*which: int) -> Callable[[tuple[Triple | None, ...]], tuple[Triple | None, ...]]:
    """These seeds cast no shadow."""
    return lambda places: tuple(None if i in which else p for i, p in enumerate(places))


def with_one_more(places: tuple[Triple | None, ...]) -> tuple[Triple | None, ...]:
    """A clip that looks like a seed lies beside them."""
    return (*places, (14.0, 16.0, -9.0))


def scattered(places: tuple[Triple | None, ...]) -> tuple[Triple | None, ...]:
    """Every seed has migrated its own way."""
    ways = ((6.0, 0.0, 3.0), (-5.0, 5.0, 0.0), (0.0, -6.0, -5.0), (5.0, -4.0, 6.0))
    return tuple(
        None if p is None else (p[0] + w[0], p[1] + w[1], p[2] + w[2])
        for p, w in zip(places, ways, strict=True)
    )


class Misnamed(Panels):
    """A reader gone wrong: it exchanges the names of two seeds."""

    def expose(self, command: SendExpose, now_ns: int) -> list[Any]:
        """Nothing is paired."""
        return []

    def show(self, shot: FiducialShot) -> list[Any]:
        """Exchange the first two."""
        a, b, *rest = shot.fiducials_mm
        return [msgspec.structs.replace(shot, fiducials_mm=(b, a, *rest))]


def misnamed(run: MemoryRoom) -> None:
    """Names are exchanged from now on, and shots are taken."""
    drawn()(run)
    panels = run.drawn
    assert panels is not None
    panels.__class__ = Misnamed


def no_more_shots(run: MemoryRoom) -> None:
    """The imager takes requests and answers none."""
    drawn()(run)
    assert run.drawn is not None
    run.drawn.__class__ = Silent


class Silent(Panels):
    """An imager that never answers."""

    def show(self, shot: FiducialShot) -> list[Any]:
        """Nothing."""
        return []


# GigE ------------------------------------------------------------------------------------------


def by_gige(change: Callable[[Eyes], None]) -> Make:
    """The camera is a stereo pair on GigE Vision, on for half a second; then something happens."""

    def make(run: MemoryRoom) -> None:
        frame = joint(run, "camera").twin._frame
        eyes = Eyes(frame.device, frame.markers_mm, run.now_ns)
        run.joints["camera"] = eyes
        run.advance(0.5)
        assert eyes.up
        assert run.beam_on, run.raised()
        change(eyes)

    return make


def losing(eyes: Eyes) -> None:
    """One camera's third packet vanishes and is not sent again."""
    twin = eyes.cameras[1].twin
    twin.lose, twin.resends = lambda block, number: number == 3, False


def losing_and_resending(eyes: Eyes) -> None:
    """The same, but it is sent again when asked for."""
    eyes.cameras[1].twin.lose = lambda block, number: number == 3


def taken_over(eyes: Eyes) -> None:
    """Another program has the camera now."""
    from hal.gige import codec

    twin = eyes.cameras[0].twin
    twin.registers[codec.CONTROL] = 0
    twin.registers[codec.STREAM_PORT] = 0
    twin.refuse = {codec.CONTROL}


def silent_camera(eyes: Eyes) -> None:
    """A camera answers no heartbeat and sends nothing."""
    for camera in eyes.cameras:
        camera.twin.silent = True
        camera.twin.lose = lambda block, number: True


# Robot, couch, gate ----------------------------------------------------------------------------


def beyond_the_box(run: MemoryRoom) -> None:
    """A controller gone wrong asks for more than the robot may."""
    run.send(SendDemand(run.now_ns, "robot", (0.0, 45.0, 0.0)))


def jumping(run: MemoryRoom) -> None:
    """The robot's telegrams put it elsewhere."""
    twin = joint(run, "actuator").twin
    twin._dynamics = lambda now_ns, asked: (30.0, 30.0, 30.0)


def lost_robot(run: MemoryRoom) -> None:
    """The controller breaks RSI off; nobody starts it again."""
    twin = joint(run, "actuator").twin
    twin._settings = msgspec.structs.replace(twin._settings, restart_ns=None)
    twin.stop(run.now_ns, "emergency stop")


def restarted(run: MemoryRoom) -> None:
    """RSI breaks off and is started again at once, where the robot stands then."""
    twin = joint(run, "actuator").twin
    twin._settings = msgspec.structs.replace(twin._settings, restart_ns=400_000_000)
    twin.stop(run.now_ns, "operator")


def error_code(code: int) -> Make:
    """The couch refuses every target with this code."""

    def make(run: MemoryRoom) -> None:
        twin = joint(run, "actuator").twin
        twin._limits = dict.fromkeys(twin._limits, 0.0)
        twin._error = code

    return make


def stalled(run: MemoryRoom) -> None:
    """The controller's process stands still for a while; drivers go on."""
    run.stalled_until_ns = run.now_ns + 250_000_000


def pressed(run: MemoryRoom) -> None:
    """Somebody presses stop at the couch's own controller: it takes no target any more."""
    twin = joint(run, "actuator").twin
    twin._halt(run.now_ns)
    twin.servo = dict.fromkeys(twin.servo, False)


def no_watchdog(run: MemoryRoom) -> None:
    """The gate's coupler was exchanged for one whose watchdog does not bite."""
    gate = joint(run, "gate")
    gate.pair.error = None
    gate.unplugged = True
    gate.twin.no_bite = True
    gate.twin.coils = [False] * len(gate.twin.coils)


def requested(name: str) -> Make:
    """Somebody asks."""

    def make(run: MemoryRoom) -> None:
        run.operator = None
        run.request(name)

    return make


def complained(run: MemoryRoom) -> None:
    """The tracker behind OpenIGTLink reports that it is not well."""
    twin = joint(run, "camera").twin
    twin.complain(Status(13, 0, "LowPower", "battery empty"), 0)


def clock_of_server(run: MemoryRoom) -> None:
    """The server's clock is set by a minute."""
    joint(run, "camera").twin._unix_ns += 60_000_000_000
