"""The rules between the keys of a configuration, as a table.

The settings records limit each key by itself. A row of `RULES` says what must hold between a key
and others, or which names a key may hold.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tracker.config_errors import Problem, not_one_of
from tracker.core.machine.kinds.table import MACHINE_KINDS
from tracker.core.settings import Controller, Window
from tracker.core.surrogate.sources.source import SourceSettings

Amount = Callable[[Controller], float]


OFF_TARGET = ("gating.off_target_share", "gating.tolerance_mm")


class Rule(NamedTuple):
    """What must hold for ``key``, given the keys that the rule ``reads``.

    ``breaches`` yields a line for each breach.
    """

    key: str
    breaches: Callable[[Controller], Iterator[str]]
    reads: tuple[str, ...]


def _at_least(key: str, least: Amount, why: str, *reads: str) -> Rule:
    def breaches(controller: Controller) -> Iterator[str]:
        value, limit = _number_at(controller, key), least(controller)
        if value < limit:
            yield f"too small: {value:g}, at least {limit:g} ({why}); raise it"

    return Rule(key, breaches, (key, *reads))


def _at_most(key: str, most: Amount, why: str, *reads: str) -> Rule:
    def breaches(controller: Controller) -> Iterator[str]:
        value, limit = _number_at(controller, key), most(controller)
        if value > limit:
            yield f"too large: {value:g}, at most {limit:g} ({why}); lower it"

    return Rule(key, breaches, (key, *reads))


def _number_at(controller: Controller, key: str) -> float:
    section, _, name = key.partition(".")
    return float(getattr(getattr(controller, section), name))


def _window_rules(section: str) -> tuple[Rule, ...]:
    """Give the rules of one gating window."""

    def window(controller: Controller) -> Window:
        return controller.window if section == "window" else controller.second_window

    def furthest_ms(controller: Controller) -> float:
        shut = window(controller).on == "nothing"
        return 800.0 if shut else controller.timing.latency_ms

    def centre(controller: Controller) -> Iterator[str]:
        on = window(controller).on
        if window(controller).centre == "drift" and on not in ("nothing", "target", "amplitude"):
            yield f'is "drift", but a window on {on} follows the last breaths anyway; remove it'

    def drift(controller: Controller) -> Iterator[str]:
        here, gating = window(controller), controller.gating
        if here.on != "target" or here.centre != "drift":
            return
        furthest, limit = here.leave + here.drift_mm, gating.off_target_share * gating.tolerance_mm
        if furthest > limit:
            yield (
                f"too large: {here.drift_mm:g} with {section}.leave lets the target be "
                f"{furthest:g} mm off the beam, which is held beyond {limit:g} mm "
                "(gating.off_target_share of gating.tolerance_mm); lower it"
            )

    def point(controller: Controller) -> Iterator[str]:
        here = window(controller)
        if here.on == "target" and here.point >= 0:
            yield f"{here.point} has no meaning for a window on the target; set it to -1"

    ahead = "timing.latency_ms: nothing is predicted further ahead"
    on = f"{section}.on"
    return (
        _at_least(
            f"{section}.leave",
            lambda c: window(c).enter,
            f"{section}.enter: the beam goes off further out than it comes on",
            f"{section}.enter",
        ),
        _at_most(f"{section}.on_ms", furthest_ms, ahead, "timing.latency_ms", on),
        _at_most(f"{section}.off_ms", furthest_ms, ahead, "timing.latency_ms", on),
        Rule(f"{section}.centre", centre, (f"{section}.centre", on)),
        Rule(
            f"{section}.drift_mm",
            drift,
            (f"{section}.drift_mm", f"{section}.leave", f"{section}.centre", on, *OFF_TARGET),
        ),
        Rule(f"{section}.point", point, (f"{section}.point", on)),
    )


# The lists of names are imported when they are asked for: with them come numpy and the compiler.


def _machine(controller: Controller) -> Iterator[str]:
    if controller.actuator.kind not in MACHINE_KINDS:
        yield not_one_of(controller.actuator.kind, tuple(MACHINE_KINDS))


def _models(controller: Controller) -> Iterator[str]:
    from tracker.core.target.correlation import KINDS

    models = controller.correlation.models
    if not models:
        yield f"is empty; name at least one of {', '.join(KINDS)}"
    for model in models:
        if model not in KINDS:
            near = difflib.get_close_matches(model, KINDS, n=1)
            advice = f'did you mean "{near[0]}"?' if near else "remove it"
            yield f'"{model}" is not one of {", ".join(KINDS)}; {advice}'
    for model in sorted({model for model in models if models.count(model) > 1}):
        yield f'"{model}" is named {models.count(model)} times; name it once'


def _predictor(controller: Controller) -> Iterator[str]:
    from tracker.core.prediction.registry import METHODS
    from tracker.plugins.loading import is_plugin, name_problem

    name = controller.prediction.predictor
    if name in METHODS:
        return
    if is_plugin(name):
        problem = name_problem(name)
        if problem:
            yield problem
    else:
        near = difflib.get_close_matches(name, METHODS, n=1)
        advice = f'did you mean "{near[0]}"?' if near else "choose one of them"
        yield f'"{name}" is not one of {", ".join(METHODS)}; {advice}'


def _predictor_parameters(controller: Controller) -> Iterator[str]:
    from tracker.core.prediction.registry import METHODS, parameter_record

    prediction = controller.prediction
    if prediction.predictor not in METHODS:
        return
    for key, value in prediction.parameters.items():
        try:
            parameter_record(prediction.predictor, {key: value})
        except ValueError as error:
            yield f"{error}; change or remove it"


def _target_model(controller: Controller) -> Iterator[str]:
    from tracker.core.target.target_models import TARGET_MODELS

    model = controller.target.model
    if model not in TARGET_MODELS:
        yield not_one_of(model, tuple(TARGET_MODELS))
    elif model == "correlation" and controller.imager.kind == "single":
        yield 'is "correlation", which needs stereo shots; a single imager needs "joint"'


def _imager_kind(controller: Controller) -> Iterator[str]:
    from tracker.core.target.imager_kinds import IMAGER_KINDS

    if controller.imager.kind not in IMAGER_KINDS:
        yield not_one_of(controller.imager.kind, tuple(IMAGER_KINDS))


def _fiducials(controller: Controller) -> Iterator[str]:
    fiducials = controller.imager.fiducials_mm
    if not fiducials:
        yield "is empty; give the planned place of at least one fiducial"
    for place in sorted({place for place in fiducials if fiducials.count(place) > 1}):
        yield f"{list(place)} is there {fiducials.count(place)} times; give each fiducial its own"


def _device_names(controller: Controller) -> Iterator[str]:
    names = {section: getattr(controller, section).device for section in DEVICES}
    names |= {f"sources.{name}": source.device for name, source in controller.sources.items()}
    for section, name in names.items():
        first = next(other for other in names if names[other] == name)
        if first != section:
            yield f'{section}.device is "{name}" as is {first}.device; give each its own name'


def _enabled(controller: Controller) -> list[SourceSettings]:
    return [source for source in controller.surrogate_sources().values() if source.enabled]


def _some_source(controller: Controller) -> Iterator[str]:
    if not _enabled(controller):
        yield "none is enabled; enable camera, belt or one of [sources.NAME]"


def _latest_ms(controller: Controller) -> float:
    """Return the two largest delays together: a sample may come that late."""
    return sum(sorted((source.delay_ms for source in _enabled(controller)), reverse=True)[:2])


def _freshest_ms(controller: Controller) -> float:
    """Return the greatest age of the newest sample while the quickest source sends its samples."""
    ages_ms = (source.delay_ms + 1e3 / source.rate_hz for source in _enabled(controller))
    return min(ages_ms, default=0.0)


DEVICES = ("camera", "belt", "imager", "actuator", "gate")

SOURCE_KEYS = (
    *(f"{name}.{key}" for name in ("camera", "belt") for key in ("enabled", "delay_ms", "rate_hz")),
    "sources",
)

RULES: tuple[Rule, ...] = (
    Rule("sources", _some_source, SOURCE_KEYS),
    Rule("actuator.kind", _machine, ("actuator.kind",)),
    Rule("device", _device_names, tuple(f"{section}.device" for section in DEVICES)),
    _at_least(
        "imager.overdue_s",
        lambda c: c.imager.interval_s,
        "imager.interval_s: else every shot is overdue",
        "imager.interval_s",
    ),
    _at_least(
        "guard.position_mm",
        lambda c: c.actuator.limit_mm,
        "actuator.limit_mm: the guard is the wider one",
        "actuator.limit_mm",
    ),
    _at_least(
        "guard.speed_mm_s",
        lambda c: c.actuator.speed_mm_s,
        "actuator.speed_mm_s: the guard is the wider one",
        "actuator.speed_mm_s",
    ),
    _at_least(
        "guard.acceleration_mm_s2",
        lambda c: c.actuator.acceleration_mm_s2,
        "actuator.acceleration_mm_s2: the guard is the wider one",
        "actuator.acceleration_mm_s2",
    ),
    _at_least(
        "guard.step_mm",
        lambda c: c.actuator.speed_mm_s / c.timing.tick_hz,
        "actuator.speed_mm_s for one tick of timing.tick_hz",
        "actuator.speed_mm_s",
        "timing.tick_hz",
    ),
    _at_least(
        "gate.lease_ms",
        lambda c: 2e3 / c.timing.tick_hz,
        "two ticks of timing.tick_hz: else one late tick takes the beam",
        "timing.tick_hz",
    ),
    *_window_rules("window"),
    *_window_rules("second_window"),
    _at_least(
        "breath_hold.longest_s",
        lambda c: c.breath_hold.settle_s + 1.0,
        "breath_hold.settle_s and a second of beam",
        "breath_hold.settle_s",
    ),
    _at_least(
        "fusion.history_ms",
        _latest_ms,
        "the two largest delays of the sources together: else late samples are lost",
        *SOURCE_KEYS,
    ),
    _at_least(
        "fusion.stale_ms",
        _freshest_ms,
        "delay and one period of the quickest source: else every sample is stale",
        *SOURCE_KEYS,
    ),
    _at_least(
        "correlation.capacity_shots",
        lambda c: c.correlation.modelling_shots,
        "correlation.modelling_shots: all of them are kept",
        "correlation.modelling_shots",
    ),
    _at_least(
        "correlation.residual_hold_mm",
        lambda c: c.correlation.residual_rebuild_mm,
        "correlation.residual_rebuild_mm: a rebuild comes before a hold",
        "correlation.residual_rebuild_mm",
    ),
    _at_most(
        "prediction.learn_hz",
        lambda c: c.timing.tick_hz,
        "timing.tick_hz: a predictor learns at a tick",
        "timing.tick_hz",
    ),
    Rule("imager.kind", _imager_kind, ("imager.kind",)),
    Rule("target.model", _target_model, ("target.model", "imager.kind")),
    Rule("imager.fiducials_mm", _fiducials, ("imager.fiducials_mm",)),
    Rule("correlation.models", _models, ("correlation.models",)),
    Rule("prediction.predictor", _predictor, ("prediction.predictor",)),
    Rule(
        "prediction.parameters",
        _predictor_parameters,
        ("prediction.parameters", "prediction.predictor"),
    ),
)


def rule_problems(controller: Controller, wrong: frozenset[str]) -> Iterator[Problem]:
    """Yield the breaches of every rule whose keys are all valid by themselves."""
    for rule in RULES:
        if not any(key in wrong or key.partition(".")[0] in wrong for key in rule.reads):
            yield from (Problem(rule.key, breach) for breach in rule.breaches(controller))
