"""The public Python interface: what it imports, returns, shows and refuses."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from IPython.core.formatters import DisplayFormatter

import tidetrack
from tidetrack.progress import progress

REPOSITORY = Path(__file__).parents[2]
DURATION_S = 40.0


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chest and a target that breathe with a period that changes, 60 s at 20 Hz."""
    times = np.arange(0.0, 60.0, 0.05)
    phase = 2 * np.pi * times / (4.0 + 0.5 * np.sin(times / 17.0))
    chest = 5.0 * np.cos(phase)
    frame = pd.DataFrame(
        {
            "time_s": times,
            "int_lr_mm": 0.2 * chest,
            "int_si_mm": -chest,
            "int_ap_mm": 0.3 * chest,
            "ext_mm": chest,
        }
    )
    path = tmp_path_factory.mktemp("recordings") / "patient.csv"
    frame.to_csv(path, index=False, float_format="%.5f")
    return path


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> tidetrack.SimulationResult:
    return tidetrack.simulate(
        config="couch",
        changes={"room": {"duration_s": DURATION_S}},
        journal=tmp_path_factory.mktemp("simulated") / "session.mcap",
    )


def modules_after(code: str) -> set[str]:
    """Return the names of the top-level packages and of tracker's modules after some code."""
    shown = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sorted(sys.modules))"],
        capture_output=True, check=True, cwd=REPOSITORY, text=True, timeout=60,
    )  # fmt: skip
    return set(shown.stdout.split())


def test_importing_loads_nothing_of_the_program() -> None:
    loaded = modules_after("import tidetrack")
    heavy = {"numpy", "numba", "pandas", "matplotlib", "scipy", "tracker", "hal", "sim", "rich"}
    assert loaded & heavy == set()
    assert {name for name in loaded if name.startswith("tidetrack.")} == set()


def test_loading_a_recording_loads_no_compiler_and_no_frames() -> None:
    loaded = modules_after("import tidetrack\ntidetrack.load_recording")
    assert loaded & {"numba", "pandas", "matplotlib", "scipy", "msgspec"} == set()


def test_opening_a_session_loads_no_compiler_and_no_frames() -> None:
    loaded = modules_after("import tidetrack\ntidetrack.open_session")
    assert loaded & {"numba", "pandas", "matplotlib"} == set()


def test_every_public_name_exists_and_says_what_it_is() -> None:
    assert sorted(tidetrack.__all__) == sorted(tidetrack._MODULES)
    assert dir(tidetrack) == sorted(tidetrack.__all__)
    for name in tidetrack.__all__:
        assert getattr(tidetrack, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'benhc'"):
        _ = tidetrack.benhc  # pyright: ignore[reportAttributeAccessIssue]


def test_a_recording_is_a_frame_with_units(recording: Path) -> None:
    loaded = tidetrack.load_recording(recording)
    frame = loaded.to_frame()
    assert frame.index.name == "time_s"
    assert frame.attrs["units"]["ext_mm"] == "mm"
    np.testing.assert_array_equal(frame["int_si_mm"].to_numpy(), loaded.values[:, 1])
    assert "patient" in repr(loaded)
    assert "<td>int_si_mm</td>" in loaded._repr_html_()
    figure = loaded.plot()
    assert len(figure.axes) == len(loaded.channels)
    formats, _ = DisplayFormatter().format(figure)
    assert formats["image/png"].startswith(b"\x89PNG")  # a notebook shows it as a picture


def test_a_bench_is_what_the_command_says(
    recording: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    import json

    from tracker.cli import main

    result = tidetrack.bench(recording, ["rls", "hold"], [200.0, 400.0])
    file = tmp_path / "bench.json"
    arguments = ["--predictors", "rls,hold", "--horizons-ms", "200,400", "--json", str(file)]
    assert main(["bench", str(recording), *arguments]) == 0
    said = json.loads(file.read_text())["patient"]
    frame = result.to_frame().set_index(["horizon_ms", "predictor"])
    for ms in (200.0, 400.0):
        for name in ("rls", "hold"):
            for figure in ("rmse", "rel", "max", "coverage95"):
                value: Any = frame.loc[(ms, name), figure]
                assert value == pytest.approx(said[f"{ms:g}"][name][figure], nan_ok=True)
    assert result.summary().loc[("hold", 200.0), "rel"] == 1.0
    assert "<td>rls</td>" in result._repr_html_()
    assert "rls, hold" in repr(result)
    (panel,) = result.plot().axes
    assert [line.get_label() for line in panel.get_lines()][:2] == ["rls", "hold"]


def test_the_same_recording_twice_is_told_apart(recording: Path) -> None:
    result = tidetrack.bench([recording, recording], ["hold"], [200.0])
    assert list(result.scores) == ["patient", "patient (2)"]


def test_a_simulation_has_the_figures_and_the_session(
    simulated: tidetrack.SimulationResult,
) -> None:
    assert simulated.never_tracked == ""
    frame: Any = simulated.to_frame()
    assert frame["tracked.rms_mm"][0] == simulated.summary["tracked"]["rms_mm"]
    assert simulated.session.summary() == simulated.summary
    assert "mm RMS from beam to target" in simulated._repr_html_()


def test_a_session_has_a_frame_of_every_signal(simulated: tidetrack.SimulationResult) -> None:
    session = simulated.session
    frames = session.frames()
    assert set(frames) == set(session.signals) == set(session.to_frame().index)
    truth = frames["truth"]
    assert truth.attrs["units"]["target_y_mm"] == "mm"
    assert truth.attrs["frames"]["target_y_mm"] == "patient"
    assert truth.index[-1] == pytest.approx(DURATION_S, abs=0.1)
    assert not session.torn
    assert "couch" in session.configuration
    assert "<td>truth</td>" in session._repr_html_()
    with pytest.raises(tidetrack.JournalError, match=r"it has .*target_estimate"):
        session.frame("target")


def test_holds_of_a_session_are_those_of_its_summary(
    simulated: tidetrack.SimulationResult,
) -> None:
    holds: Any = simulated.session.holds()
    counts = holds["reason"].value_counts().to_dict()
    assert counts == simulated.summary["beam"]["holds"]
    assert min(holds["duration_s"], default=0.0) >= 0.0


def test_a_session_is_plotted_within_the_asked_time(
    simulated: tidetrack.SimulationResult, tmp_path: Path
) -> None:
    figure = simulated.session.plot(20.0, 30.0)
    assert len(figure.axes) == 4
    assert figure.axes[-1].get_xlim() == (20.0, 30.0)
    figure.savefig(tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 10_000


def test_a_session_is_exported(simulated: tidetrack.SimulationResult, tmp_path: Path) -> None:
    files = simulated.session.export("mat", tmp_path / "out")
    assert [file.suffix for file in files] == [".mat"]


def test_a_replay_is_identical(simulated: tidetrack.SimulationResult) -> None:
    result = tidetrack.replay(simulated.session)
    assert result.identical
    frame = result.to_frame()
    assert frame["outputs"].iloc[0] == result.outcome.outputs > 0
    assert "identical" in repr(result)
    assert "<td>True</td>" in result._repr_html_()


def test_techniques_are_compared(recording: Path) -> None:
    result = tidetrack.compare(recording, ["itv"], beam_on_s=20.0)
    frame: Any = result.to_frame()
    assert list(frame["technique"]) == ["itv"]
    assert frame["beams_eye.rms_mm"][0] > 0.0
    assert "patient" in result.sentences
    assert "internal target volume" in result._repr_html_()


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: tidetrack.load_recording("no.csv"), "RecordingError", "no such file"),
        (lambda: tidetrack.open_session("no.mcap"), "JournalError", "no.mcap"),
        (lambda: tidetrack.replay("no.mcap"), "JournalError", "no.mcap"),
        (lambda: tidetrack.bench("no.csv", ["nil"]), "BenchError", "predictors: "),
        (lambda: tidetrack.bench("no.csv", horizons_ms=[1e6]), "BenchError", "horizons_ms 1e"),
        (lambda: tidetrack.bench("no.csv", []), "BenchError", "at least one of each"),
        (lambda: tidetrack.bench([]), "RecordingError", "at least one"),
        (lambda: tidetrack.simulate(config="no"), "ConfigurationError", "no"),
        (lambda: tidetrack.simulate(seed=-1), "ConfigurationError", "is negative"),
        (lambda: tidetrack.compare((), ["bus"]), "ConfigurationError", "techniques 'bus'"),
        (lambda: tidetrack.compare((), workers=0), "ConfigurationError", "allowed 1 to 256"),
    ],
)
def test_what_cannot_be_done_is_one_line(call: Any, error: str, says: str) -> None:
    with pytest.raises(getattr(tidetrack, error)) as raised:
        call()
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_without_pandas_a_frame_says_how_to_get_it(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    loaded = tidetrack.load_recording(recording)
    with pytest.raises(tidetrack.MissingPackageError, match=r"pip install 'tidetrack\[notebook\]'"):
        loaded.to_frame()


def test_the_packages_of_the_message_are_in_the_extra() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert any(each.startswith("pandas") for each in project["optional-dependencies"]["notebook"])
    assert not any(each.startswith("pandas") for each in project["dependencies"])
    assert any(each.startswith("matplotlib") for each in project["dependencies"])


class FakeDisplay:
    """Stands where a notebook's front end would be; keeps what it is shown."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def __call__(self, content: Any, *, display_id: bool) -> FakeDisplay:
        assert display_id
        self.update(content)
        return self

    def update(self, content: Any) -> None:
        self.shown.append(content._repr_html_())


def test_a_bar_in_a_notebook_moves_and_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    display = FakeDisplay()
    monkeypatch.setattr("tidetrack.progress._notebook_display", lambda: display)
    with progress("<tracking>") as tell:
        assert tell is not None
        for share in (0.0, 0.5, 0.501, 1.0):
            tell(share)
    assert ['value="0"' in display.shown[0], display.shown[-1]] == [True, ""]
    assert len(display.shown) == 4
    assert "&lt;tracking&gt;" in display.shown[1]
    with progress("nothing", is_shown=False) as tell:
        assert tell is None
