"""What the exported objects say is what the journal says, the same at every export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from highdicom.sr import MeasurementReport, srread

from tests.dicom.conftest import SHOTS
from tests.report.conftest import HOLD_S, RESUME_S, TRACKING_S, breath
from tracker.cli import main
from tracker.dicom.objects.sample_grid import PADDING, SampleGrid, encoded, grid_of, on_grid
from tracker.dose.course import course_dose, gray_per_unit
from tracker.dose.motion import read_session
from tracker.dose.plan_file import read_plan
from tracker.dose.techniques import treatments
from tracker.journal import read_journal
from tracker.report import collect


def objects(folder: Path) -> dict[str, pydicom.FileDataset]:
    return {path.stem: pydicom.dcmread(path) for path in sorted(folder.glob("*.dcm"))}


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(arguments) == 2
    said = capsys.readouterr().err.strip()
    assert "\n" not in said, said
    return said


def test_a_second_export_has_the_same_bytes(
    exported: Path, journal_path: Path, dose_plan_path: Path, tmp_path: Path
) -> None:
    arguments = ["export", "dicom", str(journal_path), "--plan", str(dose_plan_path)]
    assert main([*arguments, "--out", str(tmp_path)]) == 0
    names = sorted(path.name for path in exported.iterdir())
    assert names == sorted(path.name for path in tmp_path.iterdir())
    for name in names:
        assert (exported / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_without_a_choice_nobody_is_named(exported: Path) -> None:
    for path in exported.iterdir():
        data = path.read_bytes()
        assert b"SECRET" not in data, path.name
        dataset = pydicom.dcmread(path)
        assert dataset.PatientIdentityRemoved == "YES"
        assert dataset.StudyDate == "20000101"
        for element in dataset.iterall():
            if element.VR in ("DA", "DT") and element.value:
                assert str(element.value).startswith("20000101"), element


def test_other_contents_have_other_uids(
    exported: Path, journal_path: Path, dose_plan_path: Path, tmp_path: Path
) -> None:
    arguments = ["export", "dicom", str(journal_path), "--plan", str(dose_plan_path)]
    named = ["--named", "--started", "2026-03-01T23:59:45+01:00", "--patient-name", "Doe^Jane"]
    assert main([*arguments, "--out", str(tmp_path), *named]) == 0
    plain, said = objects(exported), objects(tmp_path)
    for name, dataset in said.items():
        assert dataset.SOPInstanceUID != plain[name].SOPInstanceUID
        assert dataset.StudyInstanceUID != plain[name].StudyInstanceUID
        assert (dataset.PatientID, str(dataset.PatientName)) == ("SECRET-PATIENT", "Doe^Jane")
        assert dataset.TimezoneOffsetFromUTC == "+0100"
    record = said["treatment-record"]
    assert (record.StudyDate, record.TreatmentDate) == ("20260301", "20260301")
    beam = record.TreatmentSessionBeamSequence[0]
    last = beam.ControlPointDeliverySequence[-1]
    assert last.TreatmentControlPointDate == "20260302"  # past midnight


def test_every_reference_leads_to_an_exported_object(exported: Path) -> None:
    said = objects(exported)
    there = {(str(d.SOPClassUID), str(d.SOPInstanceUID)) for d in said.values()}
    assert len({uid for _, uid in there}) == len(said)
    references = [
        (str(item.ReferencedSOPClassUID), str(item.ReferencedSOPInstanceUID))
        for dataset in said.values()
        for element in dataset.iterall()
        if element.VR == "SQ"
        for item in element.value
        if "ReferencedSOPInstanceUID" in item
    ]
    assert len(references) == 3
    assert set(references) <= there


@pytest.mark.parametrize(
    ("name", "times", "columns"),
    [("surrogate", "surrogate", {"surrogate": 1}),
     ("target-error", "estimate", {"target left": 1, "target superior": 2, "target anterior": 3})],
)  # fmt: skip
def test_a_waveform_comes_back_within_half_a_micrometre(
    exported: Path, journal_path: Path, name: str, times: str, columns: dict[str, int]
) -> None:
    rows = getattr(collect(read_journal(journal_path))[0], times)
    dataset = pydicom.dcmread(exported / f"{name}.dcm")
    group = dataset.WaveformSequence[0]
    labels = [channel.ChannelLabel for channel in group.ChannelDefinitionSequence]
    values = dataset.waveform_array(0)
    assert float(group.SamplingFrequency) == 100.0
    assert len(values) == len(rows)
    for label, column in columns.items():
        assert np.abs(values[:, labels.index(label)] - rows[:, column]).max() <= 0.0005 + 1e-9


def test_the_error_is_target_minus_beam(exported: Path) -> None:
    dataset = pydicom.dcmread(exported / "target-error.dcm")
    group = dataset.WaveformSequence[0]
    labels = [channel.ChannelLabel for channel in group.ChannelDefinitionSequence]
    values = dataset.waveform_array(0)
    begin = round((TRACKING_S - 8.0) * 100) + 1
    error = values[begin:, labels.index("error left") :]
    assert error == pytest.approx(np.tile([0.3, 0.4, -1.2], (len(error), 1)), abs=0.0006)


def test_the_exported_waveform_is_imported_again(exported: Path, tmp_path: Path) -> None:
    assert main(["import", str(exported / "surrogate.dcm"), "--out", str(tmp_path), "--yes"]) == 0
    lines = (tmp_path / "surrogate.csv").read_text().splitlines()
    header = next(k for k, line in enumerate(lines) if line.startswith("time_s"))
    column = lines[header].split(",").index("ext_mm")
    rows = [line.split(",") for line in lines[header + 1 :]]
    read = np.array([float(row[column]) for row in rows])
    assert read == pytest.approx([breath(k / 100.0) for k in range(len(read))], abs=0.00051)


def test_a_gap_is_padded_and_read_back_as_missing(tmp_path: Path, exported: Path) -> None:
    times = np.array([0.0, 1e7, 2e7, 3e8, 3.1e8])
    grid = grid_of(times)
    assert grid == SampleGrid(0.0, 100.0, 32)
    values = on_grid(grid, times, np.array([0.0, 1.0, 2.0, 30.0, 31.0]))
    assert np.isfinite(values).sum() == 5
    counts = encoded(values).counts
    assert (counts == PADDING).sum() == 27
    dataset = pydicom.dcmread(exported / "surrogate.dcm")
    group = dataset.WaveformSequence[0]
    raw = np.frombuffer(group.WaveformData, "<i2").copy()
    raw[100:150] = PADDING
    group.WaveformData = raw.tobytes()
    dataset.save_as(tmp_path / "gap.dcm")
    assert main(["import", str(tmp_path / "gap.dcm"), "--out", str(tmp_path), "--yes"]) == 0
    text = (tmp_path / "gap.csv").read_text()
    assert "-32.768" not in text


@pytest.mark.parametrize("offset", [0.0, 40.0, -25.0])
@pytest.mark.parametrize("swing", [0.4, 30.0, 90.0])
def test_counts_keep_a_range_of_any_size(offset: float, swing: float) -> None:
    values = offset + swing * np.sin(np.linspace(0.0, 9.0, 500))
    found = encoded(values)
    back = found.counts * found.step_mm + found.baseline_mm
    assert np.abs(back - values).max() <= found.step_mm / 2.0 + 1e-9
    assert found.step_mm == pytest.approx(0.001 if swing < 32.0 else 90.0 / 32767, rel=1e-3)


def test_holds_are_interruptions_of_the_record(exported: Path) -> None:
    (beam,) = pydicom.dcmread(exported / "treatment-record.dcm").TreatmentSessionBeamSequence
    points = beam.ControlPointDeliverySequence
    seconds = [float(p.TreatmentControlPointTime[4:]) for p in points]
    assert seconds == pytest.approx([TRACKING_S, HOLD_S, RESUME_S, 29.99], abs=0.011)
    minutes = [float(p.DeliveredMeterset) for p in points]
    assert minutes == pytest.approx([0.0, 10 / 60, 10 / 60, 17.99 / 60], abs=2e-4)
    (hold,) = beam.InterlockSequence
    assert hold.InterlockDateTime == "20000101000020.000000"
    assert hold.InterlockDescription == ("beam hold of 2.00 s: irregular breathing")
    assert points[0].GantryAngle == 30.0
    assert beam.TreatmentTerminationStatus == "NORMAL"


def test_fiducials_are_where_the_imager_saw_them(exported: Path) -> None:
    first, third = (pydicom.dcmread(exported / f"fiducials-000{k}.dcm") for k in (1, 3))
    (group,) = first.FiducialSetSequence
    found = {f.FiducialIdentifier: tuple(f.ContourData) for f in group.FiducialSequence}
    assert found == {"F1": SHOTS[0].fiducials_mm[0], "F3": SHOTS[0].fiducials_mm[2]}
    assert first.ContentTime == "000007.700000"  # the exposure, 300 ms before the arrival
    assert [f.FiducialIdentifier for f in third.FiducialSetSequence[0].FiducialSequence] == [
        "F1",
        "F2",
    ]


def test_dose_grids_hold_the_dose_of_plan_and_session(
    exported: Path, journal_path: Path, dose_plan_path: Path
) -> None:
    plan = read_plan(dose_plan_path)
    each = {t.technique: t for t in treatments(plan, read_session(journal_path).motion)}
    rng = np.random.default_rng(5)
    for name, technique in (("dose-planned", "planned"), ("dose-delivered", "tracked")):
        dataset = pydicom.dcmread(exported / f"{name}.dcm")
        cube = dataset.pixel_array * float(dataset.DoseGridScaling)
        at = rng.integers(0, np.array(cube.shape), (40, 3))
        x, y, z = dataset.ImagePositionPatient
        points = np.array(
            [
                (x + 2.5 * c, z + float(dataset.GridFrameOffsetVector[f]), -(y + 2.5 * r))
                for f, r, c in at.tolist()
            ]
        )
        wanted = course_dose(each[technique], points, gray_per_unit(plan))
        found = np.array([cube[f, r, c] for f, r, c in at.tolist()])
        assert found == pytest.approx(wanted, abs=0.51 * float(dataset.DoseGridScaling))
        assert dataset.BitsAllocated == 16


def test_the_report_is_read_by_another_library(exported: Path) -> None:
    content = srread(exported / "figures.dcm").content
    assert isinstance(content, MeasurementReport)
    session, target = content.get_image_measurement_groups()
    named = {m.name.meaning: (m.value, m.unit.value) for m in session.get_measurements()}
    assert named["Tracked error, RMS"] == (pytest.approx(1.3, abs=1e-3), "mm")
    assert named["Number of beam holds"] == (1.0, "1")
    doses = {m.name.meaning: m.value for m in target.get_measurements()}
    assert doses["Estimated target D99, tracked"] < doses["Estimated target D99, planned"]


def test_a_session_without_truth_exports_what_it_has(
    room_path: Path, dose_plan_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["export", "dicom", str(room_path), "--plan", str(dose_plan_path)]
    assert main([*arguments, "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "left out: Spatial Fiducials: the journal has no images" in said
    assert "left out: RT Image" in said
    sources = [
        channel.ChannelSourceSequence[0].CodeMeaning
        for channel in pydicom.dcmread(tmp_path / "target-error.dcm")
        .WaveformSequence[0]
        .ChannelDefinitionSequence
    ]
    assert sources[3] == "Target minus beam, left (estimate)"


def test_what_cannot_be_exported_is_one_line(
    journal_path: Path,
    exported: Path,
    dose_plan_path: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    start = ["export", "dicom", str(journal_path), "--plan", str(dose_plan_path)]
    out = ["--out", str(tmp_path / "new")]
    assert "give --out" in refused(start, capsys)
    assert "say --named" in refused([*start, *out, "--patient-name", "A"], capsys)
    assert "give --started" in refused([*start, *out, "--named"], capsys)
    assert "no time zone" in refused(
        [*start, *out, "--named", "--started", "2026-03-01T10:00"], capsys
    )
    assert "no date and time" in refused([*start, *out, "--named", "--started", "today"], capsys)
    assert "no DICOM UID" in refused(
        [*start, *out, "--named", "--started", "2026-03-01T10:00Z", "--study-uid", "1.02"], capsys
    )
    assert "64 characters" in refused([*start, *out, "--pseudonym", "x" * 65], capsys)
    assert "name an RT Plan" in refused(
        [*start, *out, "--rtplan", str(exported / "dose-planned.dcm")], capsys
    )
    assert "is no DICOM object" in refused([*start, *out, "--rtplan", str(journal_path)], capsys)
    assert "check the name" in refused([*start, *out, "--rtplan", "nowhere.dcm"], capsys)
    assert not (tmp_path / "new").exists()
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "rtplan.dcm").write_bytes(b"another")
    said = refused([*start, "--out", str(tmp_path / "there")], capsys)
    assert "exists with other contents" in said
    assert len(list((tmp_path / "there").iterdir())) == 1
