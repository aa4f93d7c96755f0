"""List every predictor by name, and build one from its name and settings."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import Any

from tracker.core.prediction import (
    harmonic,
    hold,
    imm,
    kalman,
    linear,
    mix,
    mulin,
    nlms,
    regressor,
    rls,
    rnn,
    svr,
    wlms,
)
from tracker.core.prediction.protocol import Predictor
from tracker.core.prediction.stepwise import CompiledPredictor, Method

MOST_CHANNELS = 24
RATE_HZ = (1.0, 200.0)
HORIZON_S = (1e-3, 5.0)

METHODS: dict[str, Method] = {
    "hold": Method(hold.HoldParameters, hold.BOUNDS, hold.begin, hold.step, hold.run),
    "linear": Method(linear.LinearParameters, linear.BOUNDS, linear.begin, linear.step, linear.run),
    "kalman_cv": Method(
        kalman.VelocityParameters,
        kalman.BOUNDS,
        kalman.begin_velocity,
        kalman.step_velocity,
        kalman.run_velocity,
    ),
    "kalman_ca": Method(
        kalman.AccelerationParameters,
        kalman.BOUNDS,
        kalman.begin_acceleration,
        kalman.step_acceleration,
        kalman.run_acceleration,
    ),
    "imm": Method(imm.ImmParameters, imm.BOUNDS, imm.begin, imm.step, imm.run),
    "harmonic": Method(
        harmonic.HarmonicParameters, harmonic.BOUNDS, harmonic.begin, harmonic.step, harmonic.run
    ),
    "nlms": Method(nlms.NlmsParameters, nlms.BOUNDS, nlms.begin, nlms.step, nlms.run),
    "wlms": Method(wlms.WlmsParameters, wlms.BOUNDS, wlms.begin, wlms.step, wlms.run),
    "mulin": Method(mulin.MulinParameters, mulin.BOUNDS, mulin.begin, mulin.step, mulin.run),
    "rls": Method(rls.RlsParameters, rls.BOUNDS, rls.begin, rls.step, rls.run),
    "ridge": Method(
        regressor.RidgeParameters, regressor.BOUNDS, regressor.begin, regressor.step, regressor.run
    ),
    "ridge_abs": Method(
        regressor.AbsoluteParameters,
        regressor.BOUNDS,
        regressor.begin,
        regressor.step,
        regressor.run,
    ),
    "kernel": Method(
        regressor.ExpertParameters, regressor.BOUNDS, regressor.begin, regressor.step, regressor.run
    ),
    "svr": Method(svr.SvrParameters, svr.BOUNDS, svr.begin, svr.step, svr.run),
    "rnn": Method(rnn.RnnParameters, rnn.BOUNDS, rnn.begin, rnn.step, rnn.run),
    "mix": Method(mix.MixParameters, mix.BOUNDS, mix.begin, mix.step, mix.run),
}


def make_predictor(
    name: str,
    *,
    channels: int,
    rate_hz: float,
    horizon_ns: int,
    parameters: Mapping[str, float] | None = None,
) -> Predictor:
    """Build the predictor ``name`` for samples at about ``rate_hz`` and one ``horizon_ns``.

    ``parameters`` override the defaults of its record by name. Raises ``ValueError`` naming
    what, value and limit for an unknown name, an unknown parameter or a value out of bounds.
    """
    method = _known(name)
    _check_room(channels, rate_hz, horizon_ns)
    record = parameter_record(name, parameters)
    state = method.begin(record, channels, float(rate_hz), int(horizon_ns))
    return CompiledPredictor(method, record, state, channels=channels, horizon_ns=int(horizon_ns))


def parameter_record(name: str, parameters: Mapping[str, float] | None = None) -> Any:
    """Return the checked record of ``name`` with ``parameters`` in place of their defaults."""
    method = _known(name)
    chosen: dict[str, float] = {}
    for key, value in (parameters or {}).items():
        if key not in method.bounds:
            known = ", ".join(sorted(method.bounds))
            raise ValueError(f"predictor {name} has no parameter {key!r}; it has: {known}")
        low, high = method.bounds[key]
        if not math.isfinite(value) or not low <= value <= high:
            raise ValueError(f"predictor {name}: {key} = {value} is outside {low:g} to {high:g}")
        chosen[key] = float(value)
    return method.parameters(**chosen)


def _known(name: str) -> Method:
    if name not in METHODS:
        near = difflib.get_close_matches(name, METHODS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"unknown predictor {name!r}; known: {', '.join(METHODS)}{hint}")
    return METHODS[name]


def _check_room(channels: int, rate_hz: float, horizon_ns: int) -> None:
    if not 1 <= channels <= MOST_CHANNELS:
        raise ValueError(f"channels = {channels} is outside 1 to {MOST_CHANNELS}")
    if not RATE_HZ[0] <= rate_hz <= RATE_HZ[1]:
        raise ValueError(f"rate_hz = {rate_hz} is outside {RATE_HZ[0]:g} to {RATE_HZ[1]:g}")
    if not HORIZON_S[0] * 1e9 <= horizon_ns <= HORIZON_S[1] * 1e9:
        raise ValueError(
            f"horizon_ns = {horizon_ns} is outside {HORIZON_S[0]:g} s to {HORIZON_S[1]:g} s"
        )
