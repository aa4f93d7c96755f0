"""Build an engine from settings: the one place where parts and tuned parameters are chosen."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tracker.artefact import as_changes, check_fits, load_artefact
from tracker.config import Configuration, altered
from tracker.core.engine import Engine
from tracker.core.machine.guard import DemandGuard, GuardLimits
from tracker.core.machine.kinds.table import MACHINE_KINDS, MachineKinds, machine_kind
from tracker.core.machine.steering import Steering
from tracker.core.prediction.protocol import Predictor
from tracker.core.prediction.registry import METHODS, make_predictor
from tracker.core.safety.checks.table import CHECKS, CheckFactory
from tracker.core.safety.fault_table import FaultTable, faults_for
from tracker.core.settings import Controller
from tracker.core.surrogate.sources.table import SOURCE_KINDS, SourceKinds
from tracker.core.target.forecast import Forecast
from tracker.plugins.calibrated import CalibratedPlugin, PluginUse
from tracker.plugins.loading import load_plugin


def build_engine(
    settings: Controller,
    machines: MachineKinds = MACHINE_KINDS,
    source_kinds: SourceKinds = SOURCE_KINDS,
    *,
    checks: Sequence[CheckFactory] = CHECKS,
    faults: FaultTable | None = None,
    step_budget_ns: int | None = None,
) -> Engine:
    """Build the controller of one room, from the shipped tables or from others.

    ``step_budget_ns``: the longest time a predictor of one's own may take for a step, in a live
    run; ``None``: any. Without ``faults`` the shipped faults name the machine that is configured.
    Raises ``ValueError`` for parameters that do not fit the predictor, and for a kind of machine
    that is not in ``machines``; `LookupError` for a source that is not of ``source_kinds``.
    """
    prediction = settings.prediction
    use = PluginUse(prediction.predictor, _tell, step_budget_ns)

    def predictor(channels: int, horizon_ns: int) -> Predictor:
        if prediction.predictor not in METHODS:
            return CalibratedPlugin(
                load_plugin(prediction.predictor, prediction.parameters),
                use,
                channels=channels,
                rate_hz=prediction.learn_hz,
                horizon_ns=horizon_ns,
            )
        return make_predictor(
            settings.prediction.predictor,
            channels=channels,
            rate_hz=settings.prediction.learn_hz,
            horizon_ns=horizon_ns,
            parameters=settings.prediction.parameters,
        )

    guard = settings.guard
    machine = machine_kind(settings.actuator.kind, machines)
    return Engine(
        settings,
        machine,
        Forecast(settings.prediction, round(settings.timing.latency_ms * 1e6), predictor),
        Steering(settings.actuator),
        DemandGuard(
            GuardLimits(
                guard.position_mm,
                guard.speed_mm_s,
                guard.acceleration_mm_s2,
                guard.step_mm,
                settings.actuator.quantum_mm,
            )
        ),
        checks=checks,
        faults=faults_for(machine.words) if faults is None else faults,
        source_kinds=source_kinds,
    )


def _tell(text: str) -> None:
    """Tell the person at the terminal why a predictor of one's own gave no number."""
    sys.stderr.write(f"{text}; the beam is held\n")


def with_artefact(configuration: Configuration, path: Path) -> Configuration:
    """Give the configuration with a tuned predictor.

    Raises `ArtefactError` when the file is no artefact or does not fit the room's latency or rate.
    """
    artefact = load_artefact(path)
    controller = configuration.controller
    check_fits(artefact, controller.timing.latency_ms, controller.prediction.learn_hz)
    return altered(configuration, as_changes(artefact))
