"""The page of the long campaign says of each limit whether it was kept, and keeps its prose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.safety.campaign_page import FOUND, lines_of, page_of, toml_of
from tests.safety.case import Campaign

SPREAD = {"median": None, "p95": None, "largest": None}
ROW = {
    "hours": 0.2, "detected": 0, "detected_ms": SPREAD, "held": 0, "held_ms": SPREAD,
    "returned": 0, "return_s": SPREAD, "stopped": 0, "longest_3mm_ms": 0, "share_5mm": 0.0009,
    "share_3mm": 0.019, "duty": 0.95, "rms_mm": None, "nuisance": 1, "nuisance_per_10_min": 1.0,
    "worst": "",
}  # fmt: skip
CLEAN = ROW | {"fault": "clean", "image_only": False, "runs": 2, "longest_5mm_ms": 0}
COUGH = ROW | {"fault": "cough", "image_only": False, "runs": 2, "longest_5mm_ms": 150}
SHIFT = ROW | {"fault": "shift", "image_only": True, "runs": 2, "longest_5mm_ms": 15_250}
PAIR = ROW | {"fault": "cough+shift", "image_only": True, "runs": 1, "longest_5mm_ms": 0}


def figures(*rows: dict[str, Any], breaches: int = 0) -> dict[str, Any]:
    return {
        "made": {"commit": "0123456789ab", "config": "couch.toml", "recordings": ""},
        "identity": {"minutes": 5.0},
        "digest": 64 * "0",
        "runs": sum(row["runs"] for row in rows),
        "hours": 0.5,
        "replay": "tidetrack campaign --replay",
        "rows": list(rows),
        "breaches": breaches * [{}],
        "worst": [
            {"fault": "cough", "seed": 3, "episodes_5mm_ms": [20, 150], "image_only": False,
             "troubles": ["cough.patient at 60 s"]},
        ],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("spoiled", "broken"),
    [
        ([], 0),
        ([COUGH | {"longest_5mm_ms": 160}], 1),
        ([SHIFT | {"longest_5mm_ms": 15_260}], 1),
        ([CLEAN | {"duty": 0.949}], 1),
        ([CLEAN | {"nuisance_per_10_min": 1.1}], 1),
        ([CLEAN | {"share_5mm": 0.001}], 1),
        ([CLEAN | {"share_3mm": 0.02}], 1),
        ([CLEAN | {"longest_5mm_ms": 200, "share_3mm": 0.02}], 2),
    ],
)
def test_each_limit_is_held_to(spoiled: list[dict[str, Any]], broken: int) -> None:
    names = {row["fault"] for row in spoiled}
    rows = [row for row in (CLEAN, COUGH, SHIFT) if row["fault"] not in names]
    lines = lines_of(figures(*spoiled, *rows), 15.0)
    assert sum(not line.kept for line in lines) == broken


def test_a_run_over_its_limit_is_not_kept() -> None:
    lines = lines_of(figures(CLEAN, COUGH, SHIFT, breaches=1), 15.0)
    assert [line.came_to for line in lines if not line.kept] == ["1 of 6"]


def test_the_page_says_what_was_run_and_keeps_what_a_person_wrote(tmp_path: Path) -> None:
    table = tmp_path / "campaign.md"
    table.write_text("| a table |\n", encoding="utf-8")
    what = figures(CLEAN, COUGH, SHIFT, PAIR)
    lines = lines_of(what, 15.0)
    command = "tidetrack campaign --faults clean cough shift --pairs 1 --seeds 2"
    page = page_of(what, lines, command, f"{FOUND}\nA person's words.\n\n", table)
    assert "2 kinds of mishap and no mishap, 2 seeds each, and 1 random pairs" in page
    assert "A person's words." in page
    assert "| a table |" in page
    assert "150 ms: `tidetrack campaign --replay cough:3` (cough.patient at 60 s)" in page
    quoted = msgspec.toml.decode(toml_of(what, lines, command), type=Campaign)
    assert quoted.command == "tidetrack campaign --faults … --pairs 1 --seeds 2"
    assert quoted.figures["duty of clean runs (limit 95 %)"] == "95.00 %"
