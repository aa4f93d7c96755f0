"""The short form of `python -m tests.live.long_run --machine NAME`; it limits no times."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live.machine_run import MACHINE_WIRES, measure_machine

pytestmark = pytest.mark.realtime

SECONDS = 5.0


@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINE_WIRES)
def test_a_machine_is_run_on_its_own_wires(machine: str, tmp_path: Path) -> None:
    run = measure_machine(tmp_path, machine, SECONDS, ("--priority", 20), soon=True)
    assert run.wrong() == [], run.describe()
    # A leaf goes from one step to the next at once: the monitor must not take that for a leap.
    assert "outside its envelope" not in str(run.journal.faults), run.describe()
    assert (run.turned_deg > 0.0) == ("linac" in MACHINE_WIRES[machine]())
