"""The check of patient, plan and model: each announced value must equal the configured one."""

import hashlib

import msgspec
import pytest

from hal.events import Identity
from tests.core.situations import COUCH, found, reports
from tracker.core.safety.checks.identity import IdentityCheck, differences, model_sha256
from tracker.core.settings import Controller, Prediction, Session

STRICT = Controller(session=Session(identify=True))


def test_everything_told_must_be_the_same():
    settings = Controller()
    right = Identity(0, "PHANTOM", "DEMO", "HFS", model_sha256(settings))
    assert differences(right, settings) == ""
    assert differences(Identity(0, "PHANTOM", "DEMO"), settings) == ""
    for field, value, here in (
        ("patient_id", "JANE", "patient is JANE, set up for PHANTOM"),
        ("plan_id", "OTHER", "plan is OTHER, set up for DEMO"),
        ("orientation", "FFP", "orientation is FFP, set up for HFS"),
        ("model_sha256", "0" * 64, f"model is {'0' * 64}, set up for {model_sha256(settings)}"),
    ):
        wrong = msgspec.structs.replace(right, **{field: value})
        assert differences(wrong, settings) == here


def test_two_differences_are_both_told():
    said = differences(Identity(0, "JANE", "OTHER"), Controller())
    assert said == "patient is JANE, set up for PHANTOM; plan is OTHER, set up for DEMO"


def test_the_models_sum_follows_its_parameters():
    one, other = Controller(), Controller(prediction=Prediction(parameters={"memory_s": 9.0}))
    assert model_sha256(one) == model_sha256(Controller())
    assert model_sha256(one) != model_sha256(other)
    assert len(model_sha256(one)) == hashlib.sha256().digest_size * 2


@pytest.mark.parametrize(
    ("settings", "identified", "differs", "said"),
    [
        (COUCH, False, "", {}),
        (COUCH, True, "x", {"wrong patient or plan": "x"}),
        (STRICT, True, "", {}),
        (STRICT, False, "", {"not identified": "session.identify is true"}),
    ],
)
def test_silence_is_a_fault_only_where_it_is_asked_for(settings, identified, differs, said):
    now = reports(identified=identified, misidentified=differs)
    assert found(IdentityCheck(settings), now) == said


def test_differences_are_told_in_the_order_of_patient_plan_orientation_and_model():
    said = differences(Identity(0, "JANE", "OTHER", "FFP", "0"), Controller())
    assert [each.split(" is ")[0] for each in said.split("; ")] == [
        "patient",
        "plan",
        "orientation",
        "model",
    ]
