"""A machine without an actuator: in use while the target is known, and how far the target is."""

from hal.messages import Triple
from tracker.core.machine.following import Following
from tracker.core.machine.motion import NoDemand
from tracker.core.machine.no_motion import NoMotion
from tracker.core.machine.position_history import ActuatorTrack

TARGET: Triple = (2.0, -3.0, 6.0)
STILL: Triple = (0.0, 0.0, 0.0)


def step(motion: NoMotion, wanted: Triple | None) -> NoDemand:
    return motion.step(0, wanted, STILL, None)


def follow(motion: NoMotion, target: Triple | None) -> Following | None:
    return motion.follow(0, ActuatorTrack(0), None, target, beam=True)


def test_it_comes_into_use_with_the_target_and_leaves_use_without_it():
    motion = NoMotion()
    assert (motion.moving, motion.settled) == (False, False)
    assert step(motion, TARGET) == NoDemand(began=True)
    assert (motion.moving, motion.settled) == (True, True)
    assert step(motion, TARGET) == NoDemand()
    assert step(motion, None) == NoDemand()
    assert (motion.moving, motion.settled) == (False, False)
    assert step(motion, TARGET) == NoDemand(began=True)
    motion.stop(0)
    assert (motion.moving, motion.settled) == (False, False)


def test_nothing_is_added_to_the_error_region():
    assert NoMotion().variance_mm2 == (0.0, 0.0, 0.0)


def test_the_distance_of_the_target_is_measured_while_in_use():
    motion = NoMotion()
    assert follow(motion, TARGET) == Following()
    step(motion, TARGET)
    assert follow(motion, TARGET) == Following(offset_mm=7.0, settled=True, begun=1)
    assert follow(motion, None) == Following(settled=True, begun=1)
    step(motion, None)
    assert follow(motion, TARGET) == Following(begun=1)
    step(motion, TARGET)
    assert follow(motion, TARGET) == Following(offset_mm=7.0, settled=True, begun=2)
