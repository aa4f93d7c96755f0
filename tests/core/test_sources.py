"""Any number of surrogate sources: what each gives, and what is said when one is missing."""

import math

import pytest

from hal.messages import BeltSample, MarkerFrame
from tracker.core.frames import (
    CameraPoint,
    CameraPose,
    FixedPoint,
    fixed_to_table,
    table_to_patient,
)
from tracker.core.machine.position_history import ActuatorTrack
from tracker.core.settings import Belt, Camera, Controller
from tracker.core.surrogate.signal import SurrogateSignal
from tracker.core.surrogate.sources.markers import MarkerSource
from tracker.core.surrogate.sources.source import SourceLimits

S = 1_000_000_000
PERIOD_S = 4.0
SECOND = Camera(device="second", rate_hz=50.0, position_mm=(400.0, -1500.0, 1200.0))
BELT2 = Belt(device="belt2", rate_hz=50.0)


def breath_mm(t_s):
    return 5.0 * math.sin(2 * math.pi * t_s / PERIOD_S)


class Patient:
    """Sends what cameras and belts see of one breath, with reproducible noise."""

    def __init__(self, controller):
        self.signal = SurrogateSignal(controller)
        self.signal.learn_from(0)
        self.sources = {s.device: s for s in controller.surrogate_sources().values() if s.enabled}
        self.ticks = dict.fromkeys(self.sources, 0)
        self.said = []

    def breathe(self, from_s, to_s, silent=(), blind=()):
        """Send all samples of a span, in order of arrival; ``silent`` devices send nothing."""
        arriving = []
        for device, source in self.sources.items():
            first, last = (math.ceil(t * source.rate_hz) for t in (from_s, to_s))
            for number in range(first, last):
                t_s = number / source.rate_hz
                if device not in silent:
                    arriving.append((t_s + source.delay_ms / 1e3, device, number, t_s))
        for arrival_s, device, number, t_s in sorted(arriving):
            message = self._message(device, number, t_s, round(arrival_s * S), device in blind)
            self.said.append(self.signal.receive(message, None))

    def _message(self, device, number, t_s, arrival_ns, blind):
        source, y = self.sources[device], breath_mm(t_s)
        wobble = 0.05 * math.sin(12.9898 * number) + 0.03 * math.cos(78.233 * number)
        if isinstance(source, Belt):
            gain = 30.0 if device == "belt" else -12.0
            return BeltSample(device, arrival_ns, number, gain * y + 500.0 + 20.0 * wobble)
        x0, y0, z0 = source.position_mm
        markers = []
        for place, share in (((-40.0, 10.0, 80.0), 1.2), ((60.0, -30.0, 95.0), 0.8)):
            px, py, pz = place[0], place[1], place[2] + share * y + wobble
            # A camera turned by 180 degrees about X: y and z change sign.
            markers.append(None if blind else (px - x0, -(py - y0), -(pz - z0)))
        return MarkerFrame(device, arrival_ns, number, tuple(markers))

    def moments(self):
        """Breathe on after the learning phase, and stop at a few moments to be looked at."""
        self.breathe(8.0, 12.0)
        for number in range(6):
            self.breathe(12.0 + 0.7 * number, 12.7 + 0.7 * number)
            yield 12.65 + 0.7 * number

    def state(self, t_s):
        found = self.signal.state_at(round(t_s * S))
        assert found is not None
        return found


def learned(controller, until_s=8.0):
    patient = Patient(controller)
    patient.breathe(0.0, until_s)
    assert patient.signal.finish_learning(round(until_s * S)) is None
    return patient


CAMERA_OFF = Camera(enabled=False)
BELT_OFF = Belt(enabled=False)
ROOMS = {
    "camera and belt": Controller(),
    "camera": Controller(belt=BELT_OFF),
    "two cameras": Controller(belt=BELT_OFF, sources={"second": SECOND}),
    "two cameras and two belts": Controller(sources={"second": SECOND, "belt2": BELT2}),
}


@pytest.mark.parametrize("name", ROOMS)
def test_points_of_any_cameras_give_the_amplitude_in_millimetres(name):
    patient = learned(ROOMS[name])
    for t_s in patient.moments():
        state = patient.state(t_s)
        assert state.amplitude_mm == pytest.approx(breath_mm(t_s), abs=0.4)
        assert math.sqrt(state.amplitude_variance) < 0.3


def test_a_session_of_one_camera_and_one_of_belts_say_how_many_points_they_have():
    assert len(learned(ROOMS["camera"]).state(7.9).markers_mm) == 2
    assert len(learned(ROOMS["two cameras and two belts"]).state(7.9).markers_mm) == 4
    assert len(learned(Controller(camera=CAMERA_OFF)).state(7.9).markers_mm) == 1


@pytest.mark.parametrize("belts", [{}, {"belt2": BELT2}])
def test_belts_alone_give_the_amplitude_in_standard_deviations(belts):
    patient = learned(Controller(camera=CAMERA_OFF, sources=belts))
    deviation_mm = 5.0 / math.sqrt(2.0)
    for t_s in patient.moments():
        expected = breath_mm(t_s) / deviation_mm
        assert patient.state(t_s).amplitude_mm == pytest.approx(expected, abs=0.15)


def test_the_second_belt_carries_on_when_the_reference_is_lost():
    patient = learned(Controller(camera=CAMERA_OFF, sources={"belt2": BELT2}))
    patient.breathe(8.0, 11.0)
    sure = patient.state(10.9).amplitude_variance
    patient.breathe(11.0, 15.0, silent=("belt",))
    state = patient.state(14.5)
    assert state.amplitude_mm == pytest.approx(breath_mm(14.5) * math.sqrt(2.0) / 5.0, abs=0.3)
    assert state.amplitude_variance > sure


def test_cameras_that_are_hidden_in_turn_stand_in_for_each_other():
    patient = learned(ROOMS["two cameras"])
    patient.breathe(8.0, 12.0, blind=("camera",))
    assert patient.state(11.9).amplitude_mm == pytest.approx(breath_mm(11.9), abs=0.4)
    assert patient.state(11.9).markers_mm[0] == pytest.approx(1.2 * breath_mm(11.9), abs=0.5)
    assert math.sqrt(patient.state(11.9).amplitude_variance) < 0.3
    newest = {s.device: s.newest_ns for s in patient.signal.report(12 * S).sources}
    assert newest["camera"] < 8.1 * S < 11.8 * S < newest["second"]
    patient.breathe(12.0, 15.0, blind=("second",))
    assert patient.state(14.9).amplitude_mm == pytest.approx(breath_mm(14.9), abs=0.4)
    newest = {s.device: s.newest_ns for s in patient.signal.report(15 * S).sources}
    assert newest["second"] < 12.1 * S < 14.8 * S < newest["camera"]


def test_learning_waits_for_a_silent_camera_and_then_leaves_it_out():
    patient = Patient(ROOMS["two cameras"])
    patient.breathe(0.0, 16.0, silent=("second",))
    waiting = patient.signal.finish_learning(9 * S)
    assert waiting is not None
    assert "second: 0 frames with every point seen, 200 needed" in waiting
    assert patient.signal.finish_learning(16 * S) is None
    patient.breathe(16.0, 20.0)
    assert patient.state(19.9).amplitude_mm == pytest.approx(breath_mm(19.9), abs=0.4)
    newest = {s.device: s.newest_ns for s in patient.signal.report(20 * S).sources}
    assert newest["second"] == -1
    assert len(patient.state(19.9).markers_mm) == 2


def test_learning_of_a_still_sensor_says_that_nothing_breathes():
    still = Patient(Controller(camera=CAMERA_OFF))
    for number in range(900):
        still.signal.receive(BeltSample("belt", number * S // 100, number, 500.0), None)
    assert still.signal.finish_learning(9 * S) == "belt: value moves only 0; no breathing seen"


@pytest.mark.parametrize(
    "message",
    [
        BeltSample("gauge", 5, 1, 2.0),
        MarkerFrame("gauge", 5, 1, ((1.0, 2.0, 3.0),)),
        BeltSample("camera", 5, 1, 2.0),
    ],
)
def test_a_sample_of_an_unknown_device_is_refused_in_words_once(message):
    signal = SurrogateSignal(Controller())
    said = signal.receive(message, None)
    assert said.startswith(f"{message.device} sent a {type(message).__name__}")
    assert "its samples are not used" in said
    assert signal.receive(message, None) == ""


def test_a_source_that_is_switched_off_is_no_stranger():
    signal = SurrogateSignal(Controller(belt=BELT_OFF))
    assert signal.receive(BeltSample("belt", 5, 1, 2.0), None) == ""
    assert [source.device for source in signal.report(6).sources] == ["camera"]


def test_a_marker_is_brought_into_the_patient_frame_as_frames_does_to_the_bit():
    settings = Camera(position_mm=(31.0, -1987.0, 1512.5), rotation_deg=(171.0, 3.5, -8.25))
    source = MarkerSource(settings, SourceLimits("FFP", 60.0, 50.0))
    track = ActuatorTrack(0)
    for k in range(4):
        track.add(k * S // 10, (0.1 * k, -0.7 * k, 0.3 * k))
    marker = (12.3, -71.7, 1499.1)
    reading = source.receive(MarkerFrame("camera", S // 4, 1, (marker, None)), track)
    assert reading is not None
    t_ns, values = reading
    couch = track.at(t_ns)
    assert couch is not None
    pose = CameraPose.of(settings.position_mm, settings.rotation_deg)
    fixed = pose.to_fixed(CameraPoint(marker))
    expected = table_to_patient(fixed_to_table(fixed, FixedPoint(couch)), "FFP")
    assert tuple(values[:3]) == expected
    assert all(map(math.isnan, values[3:]))
