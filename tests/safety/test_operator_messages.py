"""The page of operator messages is what its command writes, and no sentence is missing on it."""

from __future__ import annotations

import pytest

from hal.events import LinkChanged, Request
from hal.messages import BadSample, BeltSample
from tests.safety.operator_messages import NOTICES, PAGE, notice_row, page
from tracker.build.engine import build_engine
from tracker.core.safety.fault_table import FAULTS
from tracker.core.settings import Controller, Prediction
from tracker.core.types import Notice

STRANGER = next(row.template for row in NOTICES if "no surrogate source" in row.template)


def test_the_page_is_what_its_command_writes():
    assert PAGE.read_text(encoding="utf-8") == page()


@pytest.mark.parametrize("name", FAULTS)
def test_every_sentence_says_what_happened_and_what_to_do(name):
    row = FAULTS[name]
    happened, _, do = row.sentence.partition(": ")
    assert len(happened.split()) >= 3
    assert do.endswith(".")
    assert row.causes.endswith(".")


@pytest.mark.parametrize(
    ("event", "template"),
    [
        (Request(2, "dance"), "request {name} is unknown; nothing done"),
        (Request(2, "model ready"), "{name} is not for a person to request"),
        (Request(2, "start"), "{name} is not possible while {state}; possible: {requests}"),
        (LinkChanged("gate", 2, up=True), "{device} is connected. {detail}"),
        (LinkChanged("gate", 2, up=False, detail="x"), "{device} lost its connection. {detail}"),
        (BadSample("gate", 2, "checksum", "0xBEEF"), "{device}: {what} {value}"),
        (BeltSample("strap", 2, 1, 0.0), STRANGER),
    ],
)
def test_what_the_controller_says_stands_on_the_page(event, template):
    engine = build_engine(Controller(prediction=Prediction(predictor="hold")))
    (notice,) = [o for o in engine.handle(event) if isinstance(o, Notice)]
    row = notice_row(notice.text)
    assert row is not None
    assert row.template == template


def test_a_sentence_that_is_not_on_the_page_is_found():
    assert notice_row("the tea is ready") is None


def test_every_row_of_the_notices_is_found_by_its_own_words():
    for row in NOTICES:
        found = notice_row(row.template.replace("{", "").replace("}", ""))
        assert found is row
