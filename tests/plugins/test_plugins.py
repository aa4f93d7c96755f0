"""Predictors of one's own: found by name, judged causally, wrapped, and held where they fail."""

from __future__ import annotations

import importlib.metadata
import math
from pathlib import Path

import numpy as np
import pytest

from tests.boundary.kinds import hear
from tracker.offline.bench.traces import read_trace, replay, steps_ahead
from tracker.plugins.calibrated import CalibratedPlugin, PluginUse
from tracker.plugins.checks import CHECKS, breathing
from tracker.plugins.loading import PluginError, is_plugin, load_plugin

EXAMPLES = Path(__file__).parents[1] / "examples" / "own_predictors.py"
SHORT = {
    "Hold": """
class Hold:
    def begin(self, channels, rate_hz, horizon_ns): self.last = None
    def learn(self, t_ns, position_mm): self.last = position_mm
    def predict(self, at_ns): return None if self.last is None else (self.last, None)
""",
    "Peek": """
import numpy as np
class Peek:
    def begin(self, channels, rate_hz, horizon_ns):
        self.table = np.loadtxt("trace.csv", delimiter=",", skiprows=1)
    def learn(self, t_ns, position_mm): pass
    def predict(self, at_ns):
        row = int(np.argmin(abs(self.table[:, 0] - at_ns * 1e-9)))
        return self.table[row, 1:], None
""",
    "Asked": """
class Asked:
    def begin(self, channels, rate_hz, horizon_ns): self.last, self.n = None, 0
    def learn(self, t_ns, position_mm): self.last = position_mm
    def predict(self, at_ns):
        self.n += 1
        return None if self.last is None else (self.last + 1e-6 * self.n, None)
""",
    "Breaks": """
class Breaks:
    def begin(self, channels, rate_hz, horizon_ns): self.last, self.n = None, 0
    def learn(self, t_ns, position_mm):
        self.last, self.n = position_mm, self.n + 1
        if self.n == 71: raise RuntimeError("no more\\nthan 70")
    def predict(self, at_ns): return None if self.last is None else (self.last, None)
""",
    "Sleeps": """
import time
class Sleeps:
    def begin(self, channels, rate_hz, horizon_ns): self.last = None
    def learn(self, t_ns, position_mm): self.last = position_mm
    def predict(self, at_ns):
        time.sleep(0.05)
        return None if self.last is None else (self.last, None)
""",
    "Empty": """
class Empty:
    def begin(self, channels, rate_hz, horizon_ns): pass
""",
}


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with the short predictors and a recording, as the current one."""
    monkeypatch.chdir(tmp_path)
    for name, text in SHORT.items():
        (tmp_path / f"{name.lower()}.py").write_text(text)
    rows = breathing(1600)
    lines = [f"{k * 0.05:.2f},{a:.5f},{b:.5f}" for k, (a, b) in enumerate(rows)]
    (tmp_path / "trace.csv").write_text("\n".join(["time_s,ext_mm,target_z_mm", *lines]) + "\n")
    return tmp_path


def test_a_predictor_of_a_few_lines_scores_as_the_same_one_of_the_program(folder) -> None:
    assert hear(["bench", "trace.csv", "--predictors", "hold,./hold.py:Hold"]).code == 0
    trace = read_trace(folder / "trace.csv")
    ahead = steps_ahead(trace, 200.0)
    own, compiled = replay(trace, "./hold.py:Hold", ahead), replay(trace, "hold", ahead)
    assert np.array_equal(own.means, compiled.means)
    assert np.allclose(own.covariances, compiled.covariances, rtol=1e-9)


@pytest.mark.parametrize("check", ["causality", "copy", "gaps", "save and load"])
def test_a_predictor_with_its_own_covariance_is_causal_and_copied(check) -> None:
    named = f"{EXAMPLES}:ConstantVelocity"
    CHECKS[check](named, lambda: load_plugin(named))


def test_a_regression_on_lags_is_that_run_by_hand_and_better_than_hold(folder) -> None:
    """The program gives its covariance, which holds about 95 % of the errors."""
    named = f"{EXAMPLES}:LagRegression"
    trace = read_trace(folder / "trace.csv")
    ahead = steps_ahead(trace, 200.0)
    said, held = replay(trace, named, ahead), replay(trace, "hold", ahead)
    by_hand = load_plugin(named)
    horizon_ns = int(np.median(trace.times_ns[ahead:] - trace.times_ns[:-ahead]))
    by_hand.begin(2, trace.rate_hz, horizon_ns)
    for row in range(1000):
        by_hand.learn(int(trace.times_ns[row]), trace.positions[row])
    found = by_hand.predict(int(trace.times_ns[999]) + horizon_ns)
    assert found is not None
    assert np.array_equal(found[0], said.means[999])
    rows = np.flatnonzero(trace.scored)[ahead:]
    errors = [trace.positions[rows] - each.means[rows - ahead] for each in (said, held)]
    assert np.std(errors[0]) < 0.7 * np.std(errors[1])
    inverse = np.linalg.inv(said.covariances[rows - ahead])
    distance = np.einsum("ri,rij,rj->r", errors[0], inverse, errors[0])
    assert 0.9 < np.mean(distance <= 5.991) < 0.99


FAILS = {
    "./peek.py:Peek": ("future of trace", "it reads the recording"),
    "./asked.py:Asked": ("asking", "asking changed the state"),
    "./breaks.py:Breaks": ("causality", "sample 70 (3.500 s): predictor ./breaks.py:Breaks: learn"),
}


@pytest.mark.parametrize("name", FAILS)
def test_a_failed_check_names_the_sample(name, folder, capsys) -> None:
    from tracker.cli import main

    check, words = FAILS[name]
    assert main(["bench", "trace.csv", "--check", name]) == 1
    lines = capsys.readouterr().out.splitlines()
    (line,) = [each for each in lines if each.startswith(f"{check}: ")]
    assert line.startswith(f"{check}: failed at sample ")
    assert words in line


def test_a_sound_predictor_is_said_to_pass(folder, capsys) -> None:
    from tracker.cli import main

    assert main(["bench", "trace.csv", "--check", "./hold.py:Hold"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{check}: passed" for check in (*CHECKS, "future of trace")]


def test_the_row_of_a_predictor_that_fails_says_so(folder, capsys) -> None:
    from tracker.cli import main

    names = "./breaks.py:Breaks,./hold.py:Hold"
    assert main(["bench", "trace.csv", "--predictors", names, "--horizons-ms", "200"]) == 0
    said = capsys.readouterr()
    assert "learn raised RuntimeError: no more than 70, at sample 70 (3.500 s)" in said.err
    rel = {line.split()[0]: line.split()[2] for line in said.out.splitlines() if ":" in line[:20]}
    assert (rel["./breaks.py:Breaks"], rel["./hold.py:Hold"]) == ("nan", "1.000")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("./none.py:Hold", "no such file ./none.py"),
        ("./hold.py:Held", "no class Held in ./hold.py"),
        ("./empty.py:Empty", "has no learn, predict"),
        ("no.such.module:Hold", "ModuleNotFoundError"),
        (":Hold", "write ./file.py:Class"),
        ("./hold.py:", "write ./file.py:Class"),
        ("hodl", "did you mean hold?"),
    ],
)
def test_a_name_that_leads_nowhere_is_refused_in_one_line(name, words, folder) -> None:
    heard = hear(["bench", "trace.csv", "--predictors", name])
    assert heard.code == 2
    (line,) = heard.error.splitlines()
    assert words in line


def test_a_package_registers_a_predictor_under_a_plain_name(monkeypatch) -> None:
    from tests.examples.own_predictors import LastPosition

    class Point:
        name = "stays"

        def load(self) -> type:
            return LastPosition

    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [Point()])
    assert is_plugin("stays")
    assert isinstance(load_plugin("stays"), LastPosition)
    with pytest.raises(PluginError, match="is not installed"):
        load_plugin("goes")


def wrapped(name: str, budget_ns: int | None = None) -> tuple[CalibratedPlugin, list[str]]:
    told: list[str] = []
    use = PluginUse(name, told.append, budget_ns)
    plugin = load_plugin(name)
    return CalibratedPlugin(plugin, use, channels=2, rate_hz=20.0, horizon_ns=200_000_000), told


class Said:
    """Returns what it is given, whatever that is."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def begin(self, channels: int, rate_hz: float, horizon_ns: int) -> None:
        pass

    def learn(self, t_ns: int, position_mm: np.ndarray) -> None:
        pass

    def predict(self, at_ns: int) -> object:
        return self.answer


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (([1.0, math.nan], None), "not finite"),
        (([1.0], None), "shape (1,)"),
        ("nothing", "no pair"),
        (7, "no pair"),
        (([1.0, 2.0], [[1.0, 0.5], [0.4, 1.0]]), "covariance that is none"),
        (([1.0, 2.0], [[1.0, 0.0], [0.0, -1.0]]), "covariance that is none"),
        (([1.0, 2.0], np.eye(3)), "covariance that is none"),
    ],
)
def test_an_answer_that_is_none_gives_no_number_and_is_told_once(answer, words) -> None:
    told: list[str] = []
    use = PluginUse("x:Said", told.append)
    plugin = Said(answer)
    made = CalibratedPlugin(plugin, use, channels=2, rate_hz=20.0, horizon_ns=10**8)  # pyright: ignore[reportArgumentType]
    for row in range(3):
        made.learn(row * 50_000_000, np.ones(2))
        found = made.predict(row * 50_000_000 + 10**8)
        assert found is not None
        assert np.isnan(found.mean).all()
    (line,) = told
    assert words in line


def test_a_step_over_its_budget_gives_no_number_and_is_named(folder) -> None:
    made, told = wrapped("./sleeps.py:Sleeps", 1_000_000)
    made.learn(0, np.ones(2))
    found = made.predict(200_000_000)
    assert found is not None
    assert np.isnan(found.mean).all()
    assert "./sleeps.py:Sleeps: a step took " in told[0]
    assert "allowed 1 ms" in told[0]
    free, nothing = wrapped("./sleeps.py:Sleeps")
    free.learn(0, np.ones(2))
    assert free.predict(200_000_000) is not None
    assert nothing == []


def test_a_predictor_that_recovers_gives_numbers_again(folder) -> None:
    made, told = wrapped("./breaks.py:Breaks")
    finite = []
    for row in range(75):
        made.learn(row * 50_000_000, np.full(2, float(row)))
        found = made.predict(row * 50_000_000 + 200_000_000)
        assert found is not None
        finite.append(bool(np.isfinite(found.mean).all()))
    assert finite == [True] * 70 + [False] + [True] * 4
    assert len(told) == 1
