"""Reading recordings: three formats, the real files, and every way a file can be wrong."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.recording import RecordingError, load_recording, motion_channels
from tracker import cli

ROWS = "".join(f"{i * 0.2:.1f},{i},{-i},{0.5 * i}\n" for i in range(12))
GOOD = "time_s,int_si_mm,int_ap_mm,ext_mm\n" + ROWS

VXP_HEAD = (
    "[Header]\nCRC=0\nVersion=1.6\n"
    "Data_layout=amplitude,phase,timestamp,validflag,ttlin,mark,ttlout\n"
    "Patient_ID=X\nDate=01-01-2020\nTotal_study_time=0.4\nSamples_per_second=30\n"
)
VXP_ROWS = [f"{0.1 * i:.4f},0.5,{33 * i},{1 if i == 3 else 0},0,,0" for i in range(12)]
VXP = VXP_HEAD + "Scale_factor=10.0\n[Data]\n" + "\n".join(VXP_ROWS) + "\n"


def marker_file(zero: float, last: str = "0;0;0;0;0\r\n", rows: int = 12) -> str:
    head = '"Frame";"Timestamp";"x";"y";"z"\r\n'
    body = [
        f"{6 * i};{100 * i};-490,{i % 10};4;{zero + i:g}".replace(".", ",") for i in range(rows)
    ]
    return head + "".join(line + "\r\n" for line in body) + last


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content, encoding="utf-8", newline="")
    return path


def write_extmarker(folder: Path, start: str = "201205101519") -> list[Path]:
    return [
        write(folder, f"{start}-{marker}-1-T-222-6.csv", marker_file(zero))
        for marker, zero in (("LAC", 64.5), ("UAC", 85.0), ("UCC", 95.0))
    ]


def refusal(path: Path) -> str:
    """Return why the file is refused; empty if it is not."""
    try:
        load_recording(path)
    except RecordingError as error:
        return str(error)
    return ""


def test_csv(tmp_path):
    recording = load_recording(write(tmp_path, "breath.csv", GOOD))
    assert recording.name == "breath"
    assert recording.channels == ("int_si_mm", "int_ap_mm", "ext_mm")
    assert recording.kind == "both"
    assert recording.values.shape == (12, 3)
    assert recording.times_s[3] == 0.6
    assert recording.values[3].tolist() == [3.0, -3.0, 1.5]
    assert recording.gaps == ()


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("\n", "\r\n"),
        "\ufeff" + GOOD,
        GOOD + "\n  \n",
        GOOD.rstrip("\n"),
        GOOD.replace(",", " , "),
    ],
    ids=["crlf", "bom", "blank end", "no newline at end", "spaces"],
)
def test_harmless_differences_read_the_same(tmp_path, text):
    plain = load_recording(write(tmp_path, "a.csv", GOOD))
    other = load_recording(write(tmp_path, "b.csv", text))
    assert other.channels == plain.channels
    assert np.array_equal(other.values, plain.values)


def test_blank_cell_is_a_missing_sample(tmp_path):
    recording = load_recording(write(tmp_path, "a.csv", GOOD.replace("0.6,3,", "0.6,,")))
    assert math.isnan(recording.values[3, 0])
    assert np.isfinite(recording.values).sum() == recording.values.size - 1


def test_time_starts_at_zero_with_its_gaps(tmp_path):
    rows = "".join(f"{100 + i * 0.5},{i}\n" for i in range(20))
    path = write(tmp_path, "late.csv", "time_s,ext_mm\n" + rows)
    write(tmp_path, "GAPS.csv", "trace,start_s,end_s\nother,1,2\nlate,102.0,103.5\n")
    recording = load_recording(path)
    assert recording.times_s[0] == 0.0
    assert recording.times_s[-1] == 9.5
    assert recording.gaps == ((2.0, 3.5),)
    assert recording.kind == "external"


def test_extmarker_by_any_of_its_files_or_its_folder(tmp_path):
    files = write_extmarker(tmp_path)
    loaded = [load_recording(path) for path in (*files, tmp_path)]
    for recording in loaded:
        assert recording.name == "201205101519-1-T-222-6"
        assert recording.channels == tuple(
            f"{marker}_{axis}_mm" for marker in ("lac", "uac", "ucc") for axis in "xyz"
        )
        assert recording.times_s.tolist() == pytest.approx([0.1 * i for i in range(12)])
        assert recording.values[2].tolist() == [-490.2, 4, 66.5, -490.2, 4, 87, -490.2, 4, 97]
        assert recording.kind == "external"


def test_extmarker_under_another_name_is_one_marker(tmp_path):
    recording = load_recording(write(tmp_path, "mine.csv", marker_file(64.5, last="")))
    assert recording.channels == ("marker_x_mm", "marker_y_mm", "marker_z_mm")
    assert len(recording.times_s) == 12


def test_vxp(tmp_path):
    recording = load_recording(write(tmp_path, "fx.vxp", VXP))
    assert recording.channels == ("ext_mm",)
    assert recording.times_s[2] == 0.066
    assert recording.values[:, 0].tolist()[:3] == pytest.approx([0.0, 1.0, 2.0])
    assert math.isnan(recording.values[3, 0])
    assert recording.kind == "external"


def vxp_with(flags: list[int], version: str = "1.6", head: str = "") -> str:
    """Return a .vxp of these flags, 30 samples a second, amplitude up to 4 cm."""
    rows = [
        f"{0.1 * (i % 40):.4f},0.5,{round(i * 1000 / 30)},{f},0,,0" for i, f in enumerate(flags)
    ]
    text = VXP_HEAD.replace("Version=1.6", f"Version={version}") + "Scale_factor=10.0\n" + head
    return text + "[Data]\n" + "\n".join(rows) + "\n"


MIXED = [0, 1, 1] * 20


def test_a_vxp_says_how_many_samples_it_left_out_by_which_flag(tmp_path):
    path = write(tmp_path, "fx.vxp", vxp_with(MIXED))
    recording = load_recording(path)
    assert int(np.isfinite(recording.values[:, 0]).sum()) == 20
    (note,) = recording.notes
    assert note == (
        f"{path}: 40 of 60 samples are left out (validflag 1: 40; 0 means valid); "
        "where 1 means valid, add the line Valid_flag=1 to its header"
    )


def test_the_header_may_have_the_flag_the_other_way(tmp_path):
    recording = load_recording(write(tmp_path, "fx.vxp", vxp_with(MIXED, head="Valid_flag=1\n")))
    assert np.flatnonzero(np.isnan(recording.values[:, 0])).tolist() == list(range(0, 60, 3))
    (note,) = recording.notes
    assert "20 of 60 samples are left out (validflag 0: 20; 1 means valid)" in note
    assert "Valid_flag=1 in its header says so" in note


def test_flags_of_several_kinds_are_counted_apart(tmp_path):
    recording = load_recording(write(tmp_path, "fx.vxp", vxp_with([0, 0, -1, 2, 0, 2] * 10)))
    assert "(validflag -1: 10, validflag 2: 20; 0 means valid)" in recording.notes[0]


def test_a_vxp_without_a_valid_sample_is_refused_with_the_other_reading(tmp_path):
    path = write(tmp_path, "fx.vxp", vxp_with([1] * 30))
    assert refusal(path) == (
        f"{path}: 30 of 30 samples are left out (validflag 1: 30; 0 means valid): none remains; "
        "where 1 means valid, add the line Valid_flag=1 to its header"
    )
    other = load_recording(write(tmp_path, "b.vxp", vxp_with([1] * 30, head="Valid_flag=1\n")))
    assert np.isfinite(other.values).all()
    assert other.notes == ()


@pytest.mark.parametrize("version", ["1.4", "1.5", "1.6"])
def test_the_known_versions_are_read_without_a_word(tmp_path, version):
    assert load_recording(write(tmp_path, "fx.vxp", vxp_with([0] * 30, version))).notes == ()


@pytest.mark.parametrize("version", ["2.0", "1.3", ""])
def test_another_version_is_read_and_told(tmp_path, version):
    (note,) = load_recording(write(tmp_path, "fx.vxp", vxp_with([0] * 30, version))).notes
    assert "known are 1.4, 1.5, 1.6" in note


def test_timestamps_in_seconds_are_read_and_told(tmp_path):
    text = vxp_with([0] * 30)
    rows = text.split("[Data]\n")[1].splitlines()
    cells = [row.split(",") for row in rows]
    for row in cells:
        row[2] = f"{float(row[2]) / 1000:.3f}"
    text = text.split("[Data]\n")[0] + "[Data]\n" + "\n".join(",".join(row) for row in cells)
    recording = load_recording(write(tmp_path, "fx.vxp", text))
    assert recording.times_s[3] == pytest.approx(0.1)
    assert "read as seconds" in recording.notes[0]


def test_timestamps_that_contradict_the_rate_are_refused(tmp_path):
    text = vxp_with([0] * 30).replace("Samples_per_second=30", "Samples_per_second=3000")
    assert "line 11: timestamps advance by 33, but Samples_per_second is 3000" in refusal(
        write(tmp_path, "fx.vxp", text)
    )


def test_blank_cells_and_sections_behind_the_data_are_passed_over(tmp_path):
    text = vxp_with([0] * 30).replace(",,0\n", ",,0,\n") + "[Symbols]\nn=0\n"
    assert len(load_recording(write(tmp_path, "fx.vxp", text)).times_s) == 30


def test_a_command_tells_what_was_left_out(tmp_path, capsys):
    path = write(tmp_path, "fx.vxp", vxp_with(MIXED * 20))
    cli.main(["bench", str(path), "--predictors", "hold", "--horizons-ms", "300"])
    assert "note: " + str(path) + ": 800 of 1200 samples are left out" in capsys.readouterr().err


def test_motion_channels():
    motion = motion_channels(("ref_deg", "int_ap_mm", "a_z_mm", "a_x_mm", "a_y_mm", "b_x_mm"))
    assert motion.internal == (None, None, 1)
    assert motion.markers == ((3, 4, 2),)
    assert motion.scalar == 5
    assert motion_channels(("belt_au", "ext_mm")).scalar_unit == "mm"
    assert motion_channels(("belt_au", "int_rlr_deg")).scalar_unit == "au"


def swap(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


BAD: dict[str, tuple[str, str | bytes, str]] = {
    "empty": ("a.csv", "", r"a\.csv: the file is empty"),
    "blank lines only": ("a.csv", "\n\n \n", r"the file is empty"),
    "header only": ("a.csv", "time_s,ext_mm\n", r"a header but no samples"),
    "wrong header": ("a.csv", swap(GOOD, "time_s", "time"), r"line 1: wrong header.*'time'"),
    "no header": ("a.csv", ROWS, r"line 1: wrong header.*'0\.0'"),
    "semicolons": ("a.csv", GOOD.replace(",", ";"), r"line 1: wrong header"),
    "no channel": ("a.csv", "time_s\n0\n1\n", r"no channel after time_s"),
    "unknown unit": ("a.csv", swap(GOOD, "ext_mm", "ext_inch"), r"line 1: unit .*'ext_inch'"),
    "no unit": ("a.csv", swap(GOOD, "ext_mm", "ext"), r"line 1: unit of channel 'ext'"),
    "channel twice": ("a.csv", swap(GOOD, "ext_mm", "int_ap_mm"), r"'int_ap_mm' appears twice"),
    "nothing moves": (
        "a.csv", "time_s,int_rlr_deg\n" + "".join(f"{i},{i}\n" for i in range(12)),
        r"no channel that moves among int_rlr_deg",
    ),
    "text": ("a.csv", swap(GOOD, "0.6,3", "0.6,three"), r"line 5: int_si_mm is 'three', not a num"),
    "decimal comma": ("a.csv", swap(GOOD, "0.6,3", "0,6,3"), r"line 5: 5 columns, expected 4"),
    "underscore": ("a.csv", swap(GOOD, "0.6,3", "0.6,1_0"), r"line 5: int_si_mm is '1_0'"),
    "nan": ("a.csv", swap(GOOD, "0.6,3", "0.6,nan"), r"line 5: int_si_mm is 'nan', not a finite"),
    "inf": ("a.csv", swap(GOOD, "0.6,3", "0.6,-Inf"), r"line 5: int_si_mm is '-Inf', not a finite"),
    "overflow": ("a.csv", swap(GOOD, "0.6,3", "0.6,1e999"), r"line 5: int_si_mm is '1e999'"),
    "nan time": ("a.csv", swap(GOOD, "0.6,", "NaN,"), r"line 5: time_s is 'NaN'"),
    "blank time": ("a.csv", swap(GOOD, "0.6,", ","), r"line 5: time_s is blank"),
    "unsorted": ("a.csv", swap(GOOD, "0.6,", "0.1,"), r"line 5: time 0\.1 s comes after 0\.4 s"),
    "duplicate": ("a.csv", swap(GOOD, "0.6,", "0.4,"), r"line 5: time 0\.4 s appears twice .*4\)"),
    "short row": ("a.csv", swap(GOOD, "0.6,3,", "0.6,"), r"line 5: 3 columns, expected 4"),
    "long row": ("a.csv", swap(GOOD, "0.6,", "0.6,1,"), r"line 5: 5 columns, expected 4"),
    "blank line": ("a.csv", swap(GOOD, "0.6,", "\n0.6,"), r"line 5: 1 columns, expected 4"),
    "too short": ("a.csv", "\n".join(GOOD.split("\n")[:10]), r"9 samples, at least 10"),
    "channel blank": (
        "a.csv", "time_s,ext_mm,int_si_mm\n" + "".join(f"{i},{i},\n" for i in range(12)),
        r"int_si_mm: 0 whole samples",
    ),
    "binary": ("a.csv", b"\x89PNG\r\n\x1a\n\x00\x00", r"line 3: a zero byte"),
    "latin-1": ("a.csv", GOOD.encode() + b"2.4,\xb5,1,1\n", r"line 14: byte 0xb5 is not UTF-8"),
    "vxp without header": ("a.vxp", GOOD, r"line 1: 'time_s,int.* where a \.vxp begins"),
    "vxp cut short": ("a.vxp", VXP_HEAD, r"no \[Data\] line"),
    "vxp without scale": ("a.vxp", swap(VXP, "Scale_factor=10.0\n", ""), r"no Scale_factor"),
    "vxp bad scale": ("a.vxp", swap(VXP, "=10.0", "=ten"), r"line 9: Scale_factor is 'ten'"),
    "vxp without layout": ("a.vxp", swap(VXP, "Data_layout", "Layout"), r"names no amplitude"),
    "vxp without valid": ("a.vxp", swap(VXP, "validflag", "flag"), r"names no validflag"),
    "vxp text": ("a.vxp", swap(VXP, "0.2000", "oops"), r"line 13: amplitude is 'oops'"),
    "vxp short row": ("a.vxp", swap(VXP, "0.2000,", ""), r"line 13: 6 columns, expected 7"),
    "vxp duplicate": ("a.vxp", swap(VXP, ",66,", ",33,"), r"line 13: time 0\.033 s appears twice"),
    "vxp no data": ("a.vxp", VXP[: VXP.index("[Data]") + 7], r"a header but no samples"),
    "marker alone": (
        "201205101519-LAC-1-T-222-6.csv", marker_file(64.5), r"marker UAC is missing",
    ),
    "marker text": (
        "a.csv", swap(marker_file(64.5), "66,5", "x"), r"line 4: z is 'x', not a number",
    ),
    "marker columns": (
        "a.csv", swap(marker_file(64.5), ";66,5", ""), r"line 4: 4 columns, expected 5",
    ),
    "marker header only": ("a.csv", marker_file(0, "", 0), r"a header but no samples"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_file_is_refused_with_one_clear_line(tmp_path, case):
    name, content, message = BAD[case]
    path = write(tmp_path, name, content)
    with pytest.raises(RecordingError, match=message) as caught:
        load_recording(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(RecordingError, match=r"nowhere\.csv: no such file"):
        load_recording(tmp_path / "nowhere.csv")


def test_directory_without_recording(tmp_path):
    with pytest.raises(RecordingError, match="a directory with no recording; name"):
        load_recording(tmp_path)


def test_directory_with_two_recordings(tmp_path):
    write_extmarker(tmp_path)
    write_extmarker(tmp_path, start="201205101522")
    with pytest.raises(RecordingError, match="a directory with 2 recordings"):
        load_recording(tmp_path)


def test_unreadable_file(tmp_path, monkeypatch):
    path = write(tmp_path, "a.csv", GOOD)

    def refuse(_self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(RecordingError, match=r"cannot be read \(Permission denied\)"):
        load_recording(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (";300;", ";310;", r"UCC.* line 5: time 310 ms, but 300 ms in \S*LAC"),
        ("66;1100;-490,1;4;106\r\n", "", r"UCC.* 11 rows, but 12 in \S*LAC"),
    ],
)
def test_extmarker_files_that_do_not_belong_together(tmp_path, old, new, message):
    files = write_extmarker(tmp_path)
    write(tmp_path, files[2].name, swap(files[2].read_bytes().decode(), old, new))
    with pytest.raises(RecordingError, match=message):
        load_recording(files[0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"GAPS\.csv, line 1: wrong header"),
        ("trace;start;end\n", r"GAPS\.csv, line 1: wrong header"),
        ("trace,start_s,end_s\na,1\n", r"GAPS\.csv, line 2: 2 columns, expected 3"),
        ("trace,start_s,end_s\na,1,soon\n", r"GAPS\.csv, line 2: end_s is 'soon'"),
        ("trace,start_s,end_s\na,3,2\n", r"GAPS\.csv, line 2: a gap that ends at 2 s before"),
    ],
)
def test_bad_gaps(tmp_path, text, message):
    path = write(tmp_path, "a.csv", GOOD)
    write(tmp_path, "GAPS.csv", text)
    with pytest.raises(RecordingError, match=message):
        load_recording(path)


@settings(max_examples=150)
@given(
    content=st.binary(max_size=400)
    | st.text(alphabet="time_s,int_mm0123.\n;-", max_size=400).map(str.encode)
)
def test_no_file_raises_anything_else(tmp_path_factory, content):
    path = write(tmp_path_factory.mktemp("any"), "any.csv", content)
    assert "\n" not in refusal(path)


@settings(max_examples=150)
@given(at=st.integers(0, len(VXP) - 1), put=st.characters(codec="utf-8"))
def test_vxp_with_any_character_changed_reads_or_is_refused(tmp_path_factory, at, put):
    path = write(tmp_path_factory.mktemp("any"), "any.vxp", VXP[:at] + put + VXP[at + 1 :])
    assert "\n" not in refusal(path)


def test_every_real_recording_reads(data_dir):
    paths = [p for p in sorted(data_dir.glob("*/*.csv")) if p.name != "GAPS.csv"]
    assert len(paths) >= 20
    for path in paths:
        recording = load_recording(path)
        assert np.isfinite(recording.values).any(axis=0).all()
        assert recording.times_s[-1] > 50.0
        assert (recording.kind == "both") == path.parent.name.startswith(
            ("interact_lark", "interact_lightsabr")
        )


def test_marked_gaps_of_the_real_recordings(data_dir):
    assert load_recording(data_dir / "interact_lark" / "lark_091.csv").gaps == ((49.8, 53.0),)
    assert load_recording(data_dir / "interact_lark" / "lark_093.csv").gaps == ()


@pytest.mark.parametrize(
    ("start", "trace"), [("201205101519", "seq1.csv"), ("201205101522", "seq2.csv")]
)
def test_published_and_converted_extmarker_say_the_same(data_dir, start, trace):
    folder = data_dir / "extmarker"
    (path,) = (folder / "original").glob(f"{start}-UAC-*.csv")
    published, converted = load_recording(path), load_recording(folder / trace)
    assert published.channels == converted.channels
    assert np.array_equal(published.values, converted.values)
    assert np.abs(published.times_s - converted.times_s).max() < 0.05
