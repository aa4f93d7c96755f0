"""The short form of `python -m tests.live.fuzz_requests`, and that it would see a hole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.live.fuzz_requests import KINDS, fuzz
from tracker.api import roles
from tracker.api.admission import Admission

pytestmark = pytest.mark.realtime


def test_nothing_is_accepted_that_should_not_be(tmp_path: Path) -> None:
    outcome = fuzz(tmp_path, 3000, seed=7)
    assert outcome.wrong == []
    assert set(outcome.kinds) == {kind for kind, _ in KINDS}
    assert outcome.accepted["right"] > 100, "what is right gets through"


@pytest.mark.parametrize(
    ("where", "name", "hole"),
    [
        (Admission, "_spent", lambda self, nonce, key, urgent: ""),
        (roles, "may_act_as", lambda own, role: True),
        (roles, "may", lambda role, state, name: True),
        (Admission, "_refused", lambda self, ask, key, state, urgent: ""),
    ],
    ids=["nonce", "role of the key", "role of the request", "all"],
)
def test_a_hole_would_be_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: Any, name: str, hole: Any
) -> None:
    monkeypatch.setattr(where, name, hole)
    assert fuzz(tmp_path, 600, seed=7).wrong
