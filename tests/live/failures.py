"""Every failure of a device that the controller knows of: how it is made, and what must follow.

A row says the device, the failure, how the twin or its wire is made to show it, and the fault
that must be raised; `HOLD` rows also within what time the beam must be off at the gate, and that
it stays off while the failure lasts. `WARN` rows are losses of one of two: the beam may go on.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from tests.live.breakage import (
    EveryOther,
    Make,
    at_rest,
    beyond_the_box,
    blink,
    both,
    by_gige,
    clock_of_server,
    complained,
    drawn,
    error_code,
    flipped,
    hide,
    joint,
    jumping,
    losing,
    losing_and_resending,
    lost_robot,
    misnamed,
    no_more_shots,
    no_watchdog,
    plug,
    pressed,
    put,
    refusing,
    repeating,
    requested,
    restarted,
    scattered,
    silent_camera,
    spoil,
    stalled,
    swallowed,
    taken_over,
    unplug,
    with_one_more,
    without,
)

Follows = Literal["held", "stopped", "warned", "nothing", "stuck"]
"""What the session must do; ``stuck``: it stops, but the gate itself cannot take the beam away."""


class Failure(NamedTuple):
    """One row."""

    room: Literal["robot", "couch"]
    device: str
    what: str
    make: Make
    fault: str
    """The fault that must be raised; empty: none may."""
    follows: Follows = "held"
    beam_off_s: float = 0.0
    """Failure to beam off at most; what the driver, the check and the gate need, added up."""
    lasts_s: float = 0.6
    mend: Make | None = None
    """Takes the failure away; then tracking must be back by itself."""
    returns_s: float = 0.0


FAILURES: tuple[Failure, ...] = (
    # Polaris over serial or TCP
    Failure("robot", "Polaris", "a reply fails its CRC", spoil("camera", flipped),
            "bad samples", beam_off_s=0.05),
    Failure("robot", "Polaris", "a poll came damaged (ERROR04)", refusing(0x04),
            "bad samples", beam_off_s=0.05),
    Failure("robot", "Polaris", "error code: in the wrong mode", refusing(0x0C),
            "markers lost", "warned"),
    Failure("robot", "Polaris", "one tool MISSING", hide(0), "bad samples", beam_off_s=0.16),
    Failure("robot", "Polaris", "all tools MISSING", hide(0, 1, 2), "bad samples",
            beam_off_s=0.16),
    Failure("robot", "Polaris", "a tool out of the volume",
            put("camera", "_volume", ((-1e4, -1e4, -1e4), (1e4, 1e4, 0.0)), twin=True),
            "bad samples", beam_off_s=0.06),
    Failure("robot", "Polaris", "frozen frame counter", put("camera", "blind", True),
            "bad samples", beam_off_s=0.16),
    Failure("robot", "Polaris", "no answer at all", put("camera", "unplugged", True),
            "markers lost", "warned"),
    Failure("robot", "Polaris", "replies no longer come",
            lambda run: setattr(joint(run, "camera").pair, "to_driver", swallowed),
            "bad samples", beam_off_s=0.3),
    Failure("robot", "Polaris", "lost link, and the belt's too", unplug("camera", "belt"),
            "surrogate lost", beam_off_s=0.15, mend=plug("camera", "belt"), returns_s=5.0),
    # BITalino
    Failure("robot", "BITalino", "a frame fails its CRC4", spoil("belt", flipped),
            "bad samples", beam_off_s=0.05, mend=lambda run: None, returns_s=4.5),
    Failure("robot", "BITalino", "lost sync: a byte too many",
            spoil("belt", lambda data: b"\x55" + data), "bad samples", beam_off_s=0.1),
    Failure("robot", "BITalino", "frames lost", spoil("belt", swallowed, 5),
            "bad samples", beam_off_s=0.12),
    Failure("robot", "BITalino", "silent", put("belt", "mute", True, twin=True),
            "bad samples", beam_off_s=0.15),
    Failure("robot", "BITalino", "lost link", unplug("belt"), "belt lost", "warned"),
    Failure("robot", "BITalino", "repeats one value", repeating, "sensor frozen",
            beam_off_s=0.15),
    # Lab Streaming Layer
    Failure("couch", "LSL", "the outlet vanishes", put("belt", "gone", True),
            "belt lost", "warned"),
    Failure("couch", "LSL", "the outlet vanishes, and the camera's link goes",
            both(put("belt", "gone", True), unplug("camera")), "surrogate lost",
            beam_off_s=0.15),
    Failure("couch", "LSL", "the outlet is silent", put("belt", "mute", True),
            "belt lost", "warned"),
    Failure("couch", "LSL", "the sender's clock goes back", put("belt", "ahead_s", -5.0),
            "clock set anew", beam_off_s=0.05),
    Failure("couch", "LSL", "the sender's clock jumps ahead", put("belt", "ahead_s", 3.0),
            "clock set anew", beam_off_s=0.1),
    Failure("couch", "LSL", "a value that is no number", put("belt", "spoiled", float("nan")),
            "bad samples", beam_off_s=0.05),
    # GigE Vision, stereo marker camera
    Failure("robot", "GigE", "packets lost and not sent again", by_gige(losing),
            "bad samples", beam_off_s=0.16, lasts_s=0.4),
    Failure("robot", "GigE", "packets lost and sent again", by_gige(losing_and_resending),
            "", "nothing", lasts_s=0.4),
    Failure("robot", "GigE", "lost control of one camera", by_gige(taken_over), "bad samples",
            beam_off_s=0.1),
    Failure("robot", "GigE", "lost control, and the belt's link too",
            both(by_gige(taken_over), unplug("belt")), "surrogate lost", beam_off_s=0.15),
    Failure("robot", "GigE", "lost heartbeat", by_gige(silent_camera), "markers lost",
            "warned", lasts_s=1.6),
    # Stereo X-ray
    Failure("robot", "X-ray", "one marker missing", drawn(altered=without(2)),
            "", "nothing", lasts_s=1.2),
    Failure("robot", "X-ray", "too many markers missing", drawn(altered=without(0, 1, 2)),
            "bad image", "warned", lasts_s=1.2),
    Failure("robot", "X-ray", "markers swapped", misnamed, "fiducials moved",
            beam_off_s=8.0, lasts_s=8.5),
    Failure("robot", "X-ray", "a marker too many", drawn(altered=with_one_more),
            "", "nothing", lasts_s=1.2),
    Failure("robot", "X-ray", "residual: every seed has migrated", drawn(altered=scattered),
            "bad image", "warned", lasts_s=1.2),
    Failure("robot", "X-ray", "one picture late", drawn(skew_ns=80_000_000),
            "bad image", "warned", lasts_s=1.2),
    Failure("robot", "X-ray", "one picture's packets lost", drawn(lost={1}),
            "bad image", "warned", lasts_s=1.2),
    Failure("robot", "X-ray", "shots no longer come", no_more_shots, "imaging overdue",
            beam_off_s=6.8, lasts_s=8.0),
    # KUKA RSI
    Failure("robot", "RSI", "replies late, every second one",
            at_rest(lambda run: setattr(joint(run, "actuator").pair, "to_twin", EveryOther())),
            "actuator fault", "stopped", beam_off_s=0.5, lasts_s=1.0),
    Failure("robot", "RSI", "no reply arrives: RSI timeout",
            lambda run: setattr(joint(run, "actuator").pair, "to_twin", swallowed),
            "actuator fault", "stopped", beam_off_s=0.3, lasts_s=1.0),
    Failure("robot", "RSI", "lost controller", lost_robot, "actuator silent",
            beam_off_s=0.25, lasts_s=1.0),
    Failure("robot", "RSI", "lost link", unplug("actuator"), "actuator silent",
            beam_off_s=0.25),
    Failure("robot", "RSI", "started anew where the robot stands", restarted,
            "actuator restarted", "stopped", beam_off_s=0.25, lasts_s=1.0),
    Failure("robot", "RSI", "out-of-range correction", beyond_the_box, "bad actuator message",
            "warned"),
    Failure("robot", "RSI", "the pose jumps", jumping, "actuator runaway", "stopped",
            beam_off_s=0.05),
    # PI GCS 2.0
    Failure("couch", "GCS", "error code after a command", error_code(7), "actuator fault",
            "stopped", beam_off_s=0.08),
    Failure("couch", "GCS", "stale input: HLT", stalled, "loop overrun", beam_off_s=0.15,
            mend=lambda run: None, returns_s=4.0),
    Failure("couch", "GCS", "not on target", put("actuator", "deaf", True),
            "actuator off demand", "stopped", beam_off_s=2.0, lasts_s=2.5),
    Failure("couch", "GCS", "stop pressed at the couch", pressed, "actuator fault", "stopped",
            beam_off_s=0.08),
    Failure("couch", "GCS", "stop asked for", requested("stop"), "", "stopped",
            beam_off_s=0.05),
    Failure("couch", "GCS", "answers nothing", put("actuator", "mute", True, twin=True),
            "actuator silent", beam_off_s=0.25),
    Failure("couch", "GCS", "lost link", unplug("actuator"), "actuator silent",
            beam_off_s=0.25),
    Failure("couch", "GCS", "link lost and found", blink("actuator"), "actuator restarted",
            "stopped", beam_off_s=0.25, lasts_s=1.0),
    # Beam gate on Modbus
    Failure("robot", "gate", "missed deadline", put("gate", "mute", True, twin=True),
            "gate silent", beam_off_s=0.25),
    Failure("robot", "gate", "lost link", unplug("gate"), "gate silent", beam_off_s=0.25,
            mend=plug("gate"), returns_s=5.0),
    Failure("robot", "gate", "watchdog not set", no_watchdog, "gate silent", beam_off_s=0.25,
            lasts_s=1.5),
    Failure("robot", "gate", "read-back: beam on without permit",
            both(put("gate", "stuck", True, twin=True), requested("hold")), "gate disagrees",
            "stuck"),
    Failure("robot", "gate", "read-back: no beam with permit",
            put("gate", "stuck", False, twin=True), "gate stays shut", beam_off_s=0.05),
    # OpenIGTLink
    Failure("couch", "OpenIGTLink", "a body fails its CRC", spoil("camera", flipped),
            "bad samples", beam_off_s=0.05),
    Failure("couch", "OpenIGTLink", "lost link", unplug("camera"), "markers lost", "warned"),
    Failure("couch", "OpenIGTLink", "silent", put("camera", "blind", True),
            "markers lost", "warned"),
    Failure("couch", "OpenIGTLink", "STATUS is not OK", complained, "bad samples",
            beam_off_s=0.05),
    Failure("couch", "OpenIGTLink", "its clock is set", clock_of_server, "clock set anew",
            beam_off_s=0.05),
)  # fmt: skip
