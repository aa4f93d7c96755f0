"""The campaign: what befalls is drawn from seeds, figures are right, nothing finished is lost."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import msgspec
import numpy as np
import pytest

from sim import mishaps
from sim.mishaps import EFFECTS
from sim.room import TRUTH_STEP_NS, Traces
from sim.scenario import CHEST_MARKERS, MishapKind
from tracker.cli import main
from tracker.config import SHIPPED, load_configuration
from tracker.core.session import SessionState, SessionTrigger
from tracker.core.types import SessionChanged, WindowChanged
from tracker.offline.campaign import kinds
from tracker.offline.campaign.command import add_arguments, runs_of
from tracker.offline.campaign.errors import CampaignError
from tracker.offline.campaign.figures import breach_of, digest_of, tally
from tracker.offline.campaign.ledger import CampaignIdentity, Head, Ledger, Made
from tracker.offline.campaign.patients import CampaignPatient, patient_of
from tracker.offline.campaign.record import Kept, RunRecord, judge
from tracker.offline.campaign.run import Single
from tracker.offline.campaign.run_farm import parse_run_name
from tracker.offline.campaign.table import in_words

SEEDS = Path(__file__).parent.parent / "seeds"
COUCH = load_configuration(SHIPPED / "couch.toml")
INTERVAL_S = COUCH.controller.imager.interval_s
SHORT_S = 60.0
SECOND = 1_000_000_000

CORPUS = {
    f"{path.stem}: {run['run']}": run
    for path in sorted(SEEDS.glob("*.toml"))
    for run in tomllib.loads(path.read_text(encoding="utf-8"))["run"]
}
"""Every run that ever exceeded a limit."""


@pytest.fixture(scope="module")
def single() -> Single:
    return Single(COUCH, (), SHORT_S)


# What befalls ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", EFFECTS)
def test_every_kind_is_drawn_so_that_it_can_happen(kind: MishapKind) -> None:
    twins: set[str] = set()
    for seed in range(40):
        (trouble,) = kinds.drawn(kind, seed, 300.0)
        assert COUCH.room is not None
        room = msgspec.structs.replace(COUCH.room, mishaps=trouble.mishaps)
        mishaps.check(room, len(CHEST_MARKERS))
        for mishap in trouble.mishaps:
            assert mishap.at_s >= kinds.EARLIEST_S
            assert mishap.at_s + mishap.duration_s <= 300.0
            # As strict as a configuration read from a file.
            assert msgspec.convert(msgspec.to_builtins(mishap), type(mishap)) == mishap
        twins.add(trouble.name.partition(".")[2])
        assert kinds.drawn(kind, seed, 300.0) == (trouble,)
    # The angles of a linac are only disturbed where a campaign names them: a couch has none.
    assert twins == set(kinds.twins_of(kind)) - {"linac"}


def test_camera_and_belt_can_go_together() -> None:
    (trouble,) = kinds.drawn("loss.breathing", 5, 300.0)
    assert [mishap.on for mishap in trouble.mishaps] == ["camera", "belt"]
    assert len({mishap.at_s for mishap in trouble.mishaps}) == 1


def test_faults_that_are_joined_begin_near_each_other() -> None:
    for seed in range(20):
        first, second = kinds.drawn("loss.camera+cough", seed, 300.0)
        assert 0.0 <= second.mishaps[0].at_s - first.mishaps[0].at_s <= 5.0


def test_pairs_are_different_and_always_the_same() -> None:
    some = kinds.pairs(200)
    assert len(set(some)) == 200
    assert kinds.pairs(200) == some
    assert all(len(kinds.parsed(pair)) == 2 for pair in some)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("cuogh", "did you mean cough?"),
        ("cough.gate", "cough cannot happen to gate; name one of patient"),
        ("loss.camera+", "no kind of mishap is called"),
    ],
)
def test_a_fault_that_is_not_known_is_refused_in_one_line(
    name: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["campaign", "--faults", name]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert says in line


@pytest.mark.parametrize("seed", range(1, 60, 7))
def test_patients_differ_and_the_couch_can_follow_them(seed: int) -> None:
    assert COUCH.room is not None
    breath = patient_of(seed, COUCH.room, (), 300.0).room.patient.breathing
    steepest = 4.6 * -breath.target_mm[1] / breath.period_s
    assert steepest <= 0.8 * COUCH.room.actuator.speed_mm_s
    assert breath != patient_of(seed + 1, COUCH.room, (), 300.0).room.patient.breathing


# A short campaign --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kinds.CLEAN, *EFFECTS])
def test_no_kind_leaves_the_beam_unsafe_for_long(kind: str, single: Single) -> None:
    record = single.run(kind, 3)
    assert breach_of(record, INTERVAL_S) is None, record
    assert record.tracked_s > 5.0
    assert 0.0 < record.duty <= 1.0


@pytest.mark.parametrize(
    ("machine", "fault"),
    [
        ("gate", "cough"),
        ("gate", "sag"),
        ("gate", "shift"),
        ("breath-hold", "cough"),
        ("gimbal", "target_shift"),
        ("mlc", "bias.linac"),
        ("mlc", "shift"),
        ("jaws", "loss.linac"),
        ("jaws", "cough"),
    ],
)
def test_no_machine_leaves_the_beam_unsafe_for_long(machine: str, fault: str) -> None:
    """The long form is `tidetrack campaign --machines all`."""
    configuration = load_configuration(SHIPPED / "machines" / f"{machine}.toml")
    record = Single(configuration, (), 70.0).run(fault, 2)
    assert breach_of(record, configuration.controller.imager.interval_s) is None, record
    assert record.beam_s > 2.0


def test_a_machine_is_spared_what_cannot_happen_to_it(capsys: pytest.CaptureFixture[str]) -> None:
    gate = kinds.absent_twins(load_configuration(SHIPPED / "machines" / "gate.toml"))
    assert gate == {"actuator", "linac"}
    assert kinds.absent_twins(COUCH) == kinds.NO_LINAC
    mlc = kinds.absent_twins(load_configuration(SHIPPED / "machines" / "mlc.toml"))
    assert mlc == set()
    assert set(kinds.possible()) - set(kinds.possible(gate)) == {
        "complaint", "stall", "runaway", "lag",
    }  # fmt: skip
    for seed in range(8):
        (trouble,) = kinds.drawn("bias", seed, 300.0, gate)
        assert trouble.name in ("bias.camera", "bias.belt", "bias.breathing")
    assert {kinds.drawn("bias", seed, 300.0, mlc)[0].name for seed in range(8)} >= {"bias.linac"}
    with pytest.raises(CampaignError, match="stall can happen to actuator or linac alone"):
        kinds.drawn("stall", 1, 300.0, gate)
    assert main(["campaign", "--machines", "gate", "--faults", "stall"]) == 2
    said = capsys.readouterr()
    assert "left out: stall; this room does without actuator and linac" in said.out
    assert "none of them can happen in this room" in said.err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--machines", "gait"], "name some of breath-hold, couch,"),
        (["--machines", "gate", "--config", "robot.toml"], "leave out --config"),
        (["--machines", "gate", "--replay", "cough:1"], "name its file with --config"),
    ],
)
def test_machines_that_make_no_campaign_are_refused(
    options: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["campaign", *options]) == 2
    assert says in capsys.readouterr().err


def test_each_machine_has_figures_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("gate", "mlc"):
        with Ledger(tmp_path / f"a-{name}.jsonl", head()) as ledger:
            ledger.add(altered(beam_s=100.0, planned_off_s=150.0 if name == "gate" else 0.0))
    command = ["campaign", "--machines", "gate", "mlc", "--so-far"]
    assert main([*command, "--json", str(tmp_path / "a.json")]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[-2:] == ["gate: every limit is kept", "mlc: outside its limits"]
    assert json.loads((tmp_path / "a-gate.json").read_text())["rows"][0]["duty"] == 1.0


@pytest.mark.parametrize(("window_mm", "breaches"), [(0.0, 1), (3.0, 1), (4.0, 0)])
def test_a_window_that_allows_more_than_3_mm_is_not_held_to_3_mm(
    window_mm: float, breaches: int
) -> None:
    found = tally([altered(unsafe_3mm_s=20.0)], 15.0, window_mm=window_mm)
    assert len(found.breaches) == breaches


def test_time_off_by_plan_is_neither_a_hold_nor_missing_duty() -> None:
    t_ns = np.arange(0, 200 * SECOND, TRUTH_STEP_NS)
    shut = (t_ns >= 60 * SECOND) & (t_ns < 80 * SECOND)
    on = (t_ns >= 40 * SECOND) & ~shut
    states = [
        SessionChanged(
            40 * SECOND, SessionState.READY, SessionState.TRACKING, SessionTrigger.START
        ),
    ]
    windows = [
        WindowChanged(60 * SECOND, False, "gating window"),
        WindowChanged(80 * SECOND, True),
    ]
    kept = Kept(200 * SECOND, 200 * SECOND, [], states, 0, "", windows)
    assert COUCH.room is not None
    patient = CampaignPatient("made up", COUCH.room, None)
    (trouble,) = kinds.drawn("cough", 1, 110.0)
    traces = Traces(t_ns, np.zeros(len(t_ns)), on, on, on)
    record = judge("cough", 1, patient, (trouble,), kept, traces)
    assert record.planned_off_s == pytest.approx(20.0, abs=0.02)
    assert record.duty == pytest.approx(1.0, abs=1e-3)
    assert record.held_ms is None


@pytest.mark.parametrize("name", CORPUS)
def test_a_run_that_failed_once_keeps_its_limit(name: str) -> None:
    kept = CORPUS[name]
    configuration = load_configuration(SHIPPED / kept["config"])
    fault, seed = parse_run_name(kept["run"])
    record = Single(configuration, (), kept["minutes"] * 60.0).run(fault, seed)
    breach = breach_of(record, configuration.controller.imager.interval_s)
    assert breach is None, f"{breach}; it once had {kept['was']:g} ms: {kept['why']}"
    if "back_s" in kept:
        assert record.return_s is not None, kept["why"]
        assert record.return_s <= kept["back_s"], kept["why"]


def test_the_same_seed_gives_the_same_record_and_another_another(single: Single) -> None:
    first = single.run("loss.breathing", 3)
    assert first == single.run("loss.breathing", 3)
    assert first.digest != single.run("loss.breathing", 2).digest
    assert first.detected_by == first.held_by == "surrogate lost"
    assert first.held_ms is not None
    assert 80.0 <= first.held_ms <= 150.0


# Figures -----------------------------------------------------------------------------------

CALM = RunRecord(
    fault="clean",
    seed=1,
    patient="made up",
    recorded=False,
    seconds=300.0,
    troubles=(),
    image_only=False,
    detected_ms=None,
    detected_by="",
    held_ms=None,
    held_by="",
    return_s=None,
    stopped_by="",
    duty=1.0,
    beam_s=250.0,
    unsafe_3mm_s=0.0,
    unsafe_5mm_s=0.0,
    episodes_3mm_ms=(),
    episodes_5mm_ms=(),
    worst_at_s=None,
    stray_s=0.0,
    rms_mm=0.5,
    nuisance=(),
    tracked_s=250.0,
    shots=20,
    digest="",
)


def altered(**changes: object) -> RunRecord:
    return msgspec.structs.replace(CALM, **changes)


@pytest.mark.parametrize(
    ("changes", "outside"),
    [
        ({}, []),
        ({"beam_s": 232.0}, ["duty"]),
        ({"nuisance": ("target unsure",)}, []),
        ({"nuisance": ("target unsure",) * 2}, ["nuisance holds per 10 min"]),
        ({"unsafe_5mm_s": 0.26}, ["unsafe share of beam at 5 mm"]),
        ({"unsafe_3mm_s": 5.1}, ["unsafe share of beam at 3 mm"]),
        ({"episodes_5mm_ms": (5250,)}, []),
        ({"episodes_5mm_ms": (5260,)}, ["longest unsafe episode at 5 mm, ms"]),
    ],
)
def test_clean_runs_of_recorded_patients_have_limits_of_their_own(changes, outside) -> None:
    found = tally([altered(recorded=True, **changes)], interval_s=5.0)
    assert [row.fault for row in found.rows] == ["clean, recorded"]
    assert [breach.what for breach in found.breaches] == outside
    said = in_words(found, "again")
    assert said.count("NOT KEPT") == sum("episode" not in what for what in outside)
    assert "clean, recorded: duty" in said


def test_a_generated_patient_is_held_to_the_stricter_ones() -> None:
    found = tally([altered(nuisance=("target unsure",))], interval_s=5.0)
    assert [breach.what for breach in found.breaches] == ["nuisance holds per 10 min"]
    short = tally([altered(episodes_5mm_ms=(160,))], interval_s=5.0)
    assert [breach.what for breach in short.breaches] == ["longest unsafe episode at 5 mm, ms"]
    with_mishap = altered(fault="cough", recorded=True, episodes_5mm_ms=(160,))
    assert tally([with_mishap], interval_s=5.0).breaches


def test_recorded_patients_alone_take_every_second_seed() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    words = ["--faults", "clean", "--seeds", "3", "--recordings", "there"]
    assert runs_of(parser.parse_args([*words, "--recorded"])) == ["clean:2", "clean:4", "clean:6"]
    assert runs_of(parser.parse_args(words)) == ["clean:1", "clean:2", "clean:3"]


@pytest.mark.parametrize(
    ("missed_at_s", "nuisances"), [(None, 1), (99.9, 1), (100.9, 0), (101.1, 1)]
)
def test_a_hold_that_spared_a_miss_is_no_nuisance(
    missed_at_s: float | None, nuisances: int
) -> None:
    t_ns = np.arange(0, 200 * SECOND, TRUTH_STEP_NS)
    error_mm = np.zeros(len(t_ns))
    if missed_at_s is not None:
        error_mm[t_ns == round(missed_at_s * SECOND)] = 3.1
    on = np.ones(len(t_ns), dtype=np.bool_)
    states = [
        SessionChanged(
            40 * SECOND, SessionState.READY, SessionState.TRACKING, SessionTrigger.START
        ),
        SessionChanged(
            100 * SECOND, SessionState.TRACKING, SessionState.HOLDING, SessionTrigger.FAULT_HOLD
        ),
    ]
    kept = Kept(200 * SECOND, 200 * SECOND, [], states, 0, "")
    assert COUCH.room is not None
    patient = CampaignPatient("made up", COUCH.room, None)
    record = judge("clean", 1, patient, (), kept, Traces(t_ns, error_mm, on, on, on))
    assert len(record.nuisance) == nuisances


@pytest.mark.parametrize(
    ("record", "breaches"),
    [
        (CALM, 0),
        (altered(fault="cough", episodes_5mm_ms=(40, 150)), 0),
        (altered(fault="cough", episodes_5mm_ms=(160, 40)), 1),
        (altered(fault="cough", episodes_3mm_ms=(5000,)), 0),
        (altered(fault="shift", image_only=True, episodes_5mm_ms=(15_250,)), 0),
        (altered(fault="shift", image_only=True, episodes_5mm_ms=(15_260,)), 1),
        (altered(beam_s=238.0), 0),
        (altered(beam_s=237.0), 1),
        (altered(beam_s=237.0, recorded=True), 0),
        (altered(unsafe_5mm_s=0.24), 0),
        (altered(unsafe_5mm_s=0.25), 1),
        (altered(unsafe_3mm_s=4.9), 0),
        (altered(unsafe_3mm_s=5.0), 1),
        (altered(tracked_s=600.0, beam_s=600.0, nuisance=("a",)), 0),
        (altered(tracked_s=590.0, beam_s=590.0, nuisance=("a",)), 1),
        (altered(fault="cough", beam_s=10.0, nuisance=("a", "b")), 0),
    ],
)
def test_each_limit_is_held_to(record: RunRecord, breaches: int) -> None:
    assert len(tally([record], 15.0).breaches) == breaches


def test_a_row_sums_up_its_runs() -> None:
    runs = [
        altered(fault="cough", seed=seed, held_ms=100.0 * seed, episodes_5mm_ms=(10 * seed,))
        for seed in range(1, 21)
    ]
    (row,) = tally(runs, 15.0).rows
    assert (row.runs, row.held, row.returned) == (20, 20, 0)
    assert (row.held_ms.median, row.held_ms.p95, row.held_ms.largest) == (1050.0, 1900.0, 2000.0)
    assert (row.longest_5mm_ms, row.worst) == (200, "cough:20")
    assert [each.seed for each in tally(runs, 15.0, worst=3).worst] == [20, 19, 18]


# The ledger --------------------------------------------------------------------------------


def head(code: str = "a") -> Head:
    identity = CampaignIdentity(
        code_sha256=code, configuration_sha256="b", recordings_sha256="c", minutes=5.0
    )
    return Head(identity=identity, made=Made(commit="d", config="e", recordings=""))


def test_a_torn_ledger_loses_its_last_line_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "campaign.jsonl"
    with Ledger(path, head()) as ledger:
        ledger.add(CALM)
        ledger.add(altered(seed=2))
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    with Ledger(path, head()) as ledger:
        assert list(ledger.records) == ["clean:1"]
        ledger.add(altered(seed=2))
    assert path.read_bytes() == whole


def test_what_a_ledger_holds_is_summed_up_without_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Ledger(tmp_path / "so_far.jsonl", head()) as ledger:
        ledger.add(altered(fault="cough", episodes_5mm_ms=(170,)))
    command = ["campaign", "--so-far", "--json", str(tmp_path / "so_far.json")]
    assert main([*command, "--report", str(tmp_path)]) == 1
    assert "cough:1: longest unsafe episode at 5 mm, ms 170, limit 150" in capsys.readouterr().out
    assert "| cough | sensors | 1 |" in (tmp_path / "campaign.md").read_text()


def test_a_ledger_of_another_campaign_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "campaign.jsonl"
    with Ledger(path, head()):
        pass
    before = path.read_bytes()
    with pytest.raises(CampaignError, match="is of a campaign with other code"):
        Ledger(path, head("other"))
    path.write_bytes(b"no ledger\n")
    with pytest.raises(CampaignError, match="no ledger of a campaign"):
        Ledger(path, head())
    assert path.read_bytes() == b"no ledger\n"
    assert before.count(b"\n") == 1


# The command -------------------------------------------------------------------------------


def test_an_interrupted_campaign_goes_on_and_comes_out_the_same(tmp_path: Path) -> None:
    ledger = tmp_path / "campaign.jsonl"
    command = [
        sys.executable, "-m", "tracker", "campaign", "--faults", "loss.breathing", "stuck_off",
        "--seeds", "2", "--minutes", "0.8", "--workers", "1",
        "--json", str(tmp_path / "campaign.json"), "--report", str(tmp_path),
    ]  # fmt: skip
    root = SHIPPED.parent.parent
    running = subprocess.Popen(
        command, cwd=root, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        until = time.monotonic() + 120.0
        while running.poll() is None and time.monotonic() < until:
            if ledger.exists() and ledger.read_bytes().count(b"\n") >= 2:
                break
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60.0)
    finally:
        running.kill()
        running.communicate()
    assert running.returncode == 130, said
    assert re.search(r"\d of 4 runs are kept; the same command goes on", said)
    kept = ledger.read_bytes().count(b"\n") - 1
    assert 1 <= kept < 4

    again = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert f"{kept} of 4 runs are in the ledger already" in again.stdout
    summary = json.loads((tmp_path / "campaign.json").read_text())
    whole = Single(COUCH, (), 48.0)
    records = [whole.run(f, seed) for f in ("loss.breathing", "stuck_off") for seed in (1, 2)]
    assert summary["digest"] == digest_of(records)
    page = (tmp_path / "campaign.html").read_text()
    assert summary["digest"] in page
    assert "loss.breathing" in page


def test_one_run_is_done_again_with_its_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["campaign", "--replay", "target_shift:20", "--minutes", "1.4"]
    assert main([*arguments, "--report", str(tmp_path), "--json", str(tmp_path / "run.json")]) == 0
    said = capsys.readouterr().out
    record = msgspec.json.decode((tmp_path / "run.json").read_bytes(), type=RunRecord)
    assert record == Single(COUCH, (), 84.0).run("target_shift", 20)
    assert record.digest in said
    assert record.longest_5mm_ms > 0
    # By the figures of the run, and by those of its report.
    assert len(re.findall(rf"longest unsafe +{record.longest_5mm_ms} ms", said)) == 2
    assert (tmp_path / "report.html").exists()
    assert main(["replay", str(tmp_path / "session.mcap")]) == 0
