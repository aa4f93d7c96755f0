"""The signed-rank test: SciPy's probabilities, and the decisions of Optuna's pruner."""

from __future__ import annotations

import warnings

import numpy as np
import optuna
import pytest
from optuna.pruners import WilcoxonPruner
from scipy.stats import wilcoxon

from tracker.offline.tuning.signed_rank import chance


@pytest.mark.parametrize("pairs", [1, 2, 5, 14, 50, 51, 200])
def test_it_is_scipys(pairs: int) -> None:
    draw = np.random.default_rng(pairs)
    for shift in (-0.4, 0.0, 0.4):
        values = draw.normal(shift, 1.0, pairs)
        method = "exact" if pairs <= 50 else "asymptotic"
        theirs = wilcoxon(
            values,
            alternative="greater",
            zero_method="zsplit",
            method=method,  # pyright: ignore[reportArgumentType] - its stubs lack the newer name
        )
        assert chance(values.tolist()) == pytest.approx(theirs.pvalue, abs=1e-12)


def test_ties_and_zeros_by_counting_all_signs() -> None:
    values = np.array([0.5, -0.5, 0.5, 1.0, 0.0, -2.0, 2.0])
    ranks = np.array([3.0, 3.0, 3.0, 5.0, 1.0, 6.5, 6.5])
    free = values != 0.0
    found = ranks[values > 0.0].sum()
    sums = [ranks[free][[bool(signs >> k & 1) for k in range(6)]].sum() for signs in range(2**6)]
    assert chance(values.tolist()) == pytest.approx(np.mean(np.array(sums) >= found))


def test_nothing_and_nothing_but_zeros_prove_nothing() -> None:
    assert chance([]) == 1.0
    assert chance([0.0] * 9) == 1.0


def test_it_decides_as_the_pruner_does() -> None:
    draw = np.random.default_rng(3)
    given_up = 0
    for number in range(60):
        best = draw.uniform(0.5, 1.0, 15)
        tried = best[:8] + draw.normal(0.03, 0.06, 8)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study = optuna.create_study(pruner=WilcoxonPruner(p_threshold=0.1, n_startup_steps=4))
        for values in (best, tried):
            trial = study.ask()
            for step, value in enumerate(values):
                trial.report(float(value), step)
            if values is best:
                study.tell(trial, float(best.mean()))
                continue
            ours = tried.mean() > best.mean() and chance((tried - best[:8]).tolist()) < 0.1
            assert trial.should_prune() == ours, number
            given_up += ours
    assert 5 < given_up < 50
