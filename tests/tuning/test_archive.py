"""Archives: who is whose, what is thinned, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.tuning.breaths import write_archive, write_trace
from tracker.offline.tuning.archive import load_archive, read_trace, thinned
from tracker.offline.tuning.errors import TuningError


def subjects_of(*paths: Path) -> dict[str, str]:
    return {trace.name: trace.subject for trace in load_archive(paths, 10.0).traces}


def test_the_index_says_whose_a_trace_is_and_which_traces_there_are(tmp_path: Path) -> None:
    for place, name in enumerate(("a", "b", "c")):
        write_trace(tmp_path / "deep" / f"{name}.csv", place)
    (tmp_path / "INDEX.csv").write_text("file,subject\ndeep/a.csv,ann\ndeep/b.csv,bob\n")
    assert subjects_of(tmp_path) == {"a": "ann", "b": "bob"}
    assert subjects_of(tmp_path / "deep") == {"a": "ann", "b": "bob"}
    # a trace named by itself is wanted, whatever the index says
    named = subjects_of(tmp_path / "deep" / "a.csv", tmp_path / "deep" / "c.csv")
    assert named == {"a": "ann", "c": "c"}


def test_without_an_index_the_folder_or_the_stem_says_it(tmp_path: Path) -> None:
    write_trace(tmp_path / "p01" / "monday.csv", 1)
    write_trace(tmp_path / "p01" / "later" / "tuesday.csv", 2)
    write_trace(tmp_path / "p02_fraction-1.csv", 3)
    write_trace(tmp_path / "p03-2.csv", 4)
    write_trace(tmp_path / "lone.csv", 5)
    assert subjects_of(tmp_path) == {
        "monday": "p01",
        "tuesday": "p01",
        "p02_fraction-1": "p02_fraction",
        "p03-2": "p03",
        "lone": "lone",
    }


def test_the_same_path_twice_is_read_once(tmp_path: Path) -> None:
    archive = write_archive(tmp_path, subjects=2)
    assert len(load_archive([archive, archive / "patient0"], 10.0).traces) == 2


def test_a_faster_trace_is_thinned_by_leaving_samples_out(tmp_path: Path) -> None:
    file = write_trace(tmp_path / "fast.csv", 1, rate_hz=50.0)
    whole, thin = read_trace(file, "s", 50.0), read_trace(file, "s", 20.0)
    assert thin.rate_hz == pytest.approx(20.0)
    assert thin.native_hz == pytest.approx(50.0)
    assert thin.times_ns.size == pytest.approx(20.0 * 60.0, abs=2)
    places = np.searchsorted(whole.times_ns, thin.times_ns)
    assert np.array_equal(whole.times_ns[places], thin.times_ns)
    assert np.array_equal(whole.positions[places], thin.positions)


@pytest.mark.parametrize(("native_hz", "rate_hz"), [(5.0, 25.0), (10.0, 10.0), (10.4, 10.0)])
def test_a_trace_no_faster_than_the_room_is_used_as_it_is(native_hz: float, rate_hz: float) -> None:
    times_s = np.arange(100) / native_hz
    assert np.array_equal(thinned(times_s, native_hz, rate_hz), np.arange(100))


def test_thinning_never_looks_ahead() -> None:
    draw = np.random.default_rng(3)
    times_s = np.cumsum(draw.uniform(0.01, 0.04, 400))
    kept = thinned(times_s, 40.0, 15.0)
    for end in (50, 133, 399):
        assert np.array_equal(thinned(times_s[:end], 40.0, 15.0), kept[kept < end])


def test_blank_rows_and_mostly_blank_channels_are_left_out_and_gaps_not_scored(
    tmp_path: Path,
) -> None:
    lines = ["time_s,a_mm,b_mm,ref_x_mm,c_deg"]
    for place in range(400):
        a = "" if place in (7, 8) else f"{np.sin(place):.3f}"
        b = "" if place % 3 == 0 else "1.0"
        lines.append(f"{place * 0.1:.1f},{a},{b},0.5,0.1")
    file = tmp_path / "t.csv"
    file.write_text("\n".join(lines) + "\n")
    (tmp_path / "GAPS.csv").write_text("trace,start_s,end_s\nt,20,25\n")
    trace = read_trace(file, "s", 10.0)
    assert trace.positions.shape == (398, 1)
    times_s = trace.times_ns * 1e-9
    assert not trace.scored[(times_s >= 20.0) & (times_s <= 25.0)].any()
    assert not trace.scored[times_s < 0.39 * 39.9].any()
    assert trace.scored[times_s > 25.0].all()


def test_everything_wrong_is_named_at_once(tmp_path: Path) -> None:
    good = write_trace(tmp_path / "good_1.csv", 1)
    bad = tmp_path / "bad_1.csv"
    bad.write_text("time_s,x_mm\n0,1\n0.1,oops\n")
    (tmp_path / "empty").mkdir()
    with pytest.raises(TuningError) as refused:
        load_archive([good, bad, tmp_path / "empty", tmp_path / "no.csv"], 10.0)
    lines = sorted(refused.value.problems)
    assert len(lines) == 3
    assert lines[0].startswith(f"{bad}, line 3: x_mm is 'oops'")
    assert lines[1].startswith(f"{tmp_path / 'empty'}: holds no recording")
    assert lines[2].startswith(f"{tmp_path / 'no.csv'}: no such file")


def test_a_copy_of_a_recording_is_refused_since_it_would_leak_into_its_fold(tmp_path: Path) -> None:
    first = write_trace(tmp_path / "ann_1.csv", 1)
    (tmp_path / "bob_1.csv").write_bytes(first.read_bytes())
    with pytest.raises(TuningError, match=r"bob_1\.csv: is the same recording as .*ann_1\.csv"):
        load_archive([tmp_path], 10.0)


def test_one_subject_is_not_enough(tmp_path: Path) -> None:
    write_trace(tmp_path / "ann_1.csv", 1)
    write_trace(tmp_path / "ann_2.csv", 2)
    with pytest.raises(TuningError, match="the only subject is ann; leaving one subject out needs"):
        load_archive([tmp_path], 10.0)


def test_an_index_without_its_columns_is_refused(tmp_path: Path) -> None:
    write_archive(tmp_path, subjects=2)
    (tmp_path / "INDEX.csv").write_text("trace,who\nx,y\n")
    with pytest.raises(TuningError, match=r"INDEX\.csv: no column file and subject; add it"):
        load_archive([tmp_path], 10.0)
