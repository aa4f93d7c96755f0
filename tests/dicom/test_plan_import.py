"""A plan becomes a configuration and a dose plan, and what does not belong together is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.data import get_testdata_file

from tests.dicom.plan_files import FIDUCIALS, ISOCENTRE, PLAN, control_point, write_plan
from tests.dicom.planning_system_set import FOLDER
from tracker.cli import main
from tracker.config import load_configuration
from tracker.core.frames import Orientation
from tracker.dicom.beam_angles import BeamAngles, angles_of, axes_of
from tracker.dicom.dataset_parts import item, sequence
from tracker.dicom.plan_set import read_plan_set
from tracker.dicom.planned_beams import beams_of
from tracker.dose.contours import Contours, ContourSlice
from tracker.dose.course import gray_per_unit
from tracker.dose.delivery import planned_dose
from tracker.dose.plan import Plan, Rectangle
from tracker.dose.plan_file import read_plan

ROOM = "config/couch.toml"


def imported(paths: list[str], *more: str) -> int:
    return main(["plan", "import", *paths, *more])


def configured(paths: list[str], out: Path, *more: str) -> int:
    return imported(paths, "--out", str(out), "--extends", ROOM, *more)


def refusal(code: int, capsys: pytest.CaptureFixture[str]) -> str:
    said = capsys.readouterr().err.strip()
    assert code == 2, said
    assert "Traceback" not in said
    assert "unexpected" not in said, said
    return said


def test_a_plan_becomes_a_configuration(tmp_path: Path) -> None:
    out = tmp_path / "made" / "patient.toml"
    assert configured(write_plan(tmp_path), out) == 0
    controller = load_configuration(out).controller
    session = controller.session
    assert (session.patient_id, session.plan_id, session.orientation) == ("PAT-7", PLAN, "HFS")
    assert session.identify
    wanted = [(x - ISOCENTRE[0], z - ISOCENTRE[2], -(y - ISOCENTRE[1])) for x, y, z in FIDUCIALS]
    assert np.array(controller.imager.fiducials_mm) == pytest.approx(np.array(wanted), abs=1e-6)
    assert controller.linac.table_deg == 0.0
    assert sorted(path.name for path in out.parent.iterdir()) == ["patient.toml"]
    assert "RTPLAN SHA-256" in out.read_text()


def test_one_beams_angles_and_the_label_by_choice(tmp_path: Path) -> None:
    out = tmp_path / "patient.toml"
    assert configured(write_plan(tmp_path), out, "--beam", "2", "--plan-id", "label") == 0
    controller = load_configuration(out).controller
    assert controller.session.plan_id == "LIVER"
    assert (controller.linac.gantry_deg, controller.linac.collimator_deg) == (90.0, 90.0)


def test_a_plan_becomes_a_dose_plan(tmp_path: Path) -> None:
    out = tmp_path / "dose.toml"
    assert imported(write_plan(tmp_path), "--dose-plan", str(out)) == 0
    plan = read_plan(out)
    assert (plan.prescription_gy, plan.fractions) == (45.0, 3)
    first, second = plan.beams
    assert first.direction == pytest.approx((0.0, 0.0, -1.0))
    assert first.isocentre_mm == pytest.approx((2.0, 0.0, 0.0))  # the opening is off the axis
    assert first.aperture == Rectangle(40.0, 40.0)
    assert second.direction == pytest.approx((-1.0, 0.0, 0.0), abs=1e-9)
    assert first.weight / second.weight == pytest.approx(3.0)
    assert plan.body.radius_x_mm == pytest.approx(160.0, abs=0.01)
    assert plan.body.centre_x_mm == pytest.approx(60.0, abs=0.01)
    assert plan.body.centre_z_mm == pytest.approx(-30.0, abs=0.01)
    centre = planned_dose(plan, np.zeros((1, 3)))[0] * gray_per_unit(plan)
    assert 45.0 < centre < 70.0


def test_a_drawn_sphere_is_the_sphere() -> None:
    slices = tuple(
        ContourSlice(
            float(h),
            tuple(
                (r * math.cos(t) + 5.0, r * math.sin(t) - 7.0)
                for t in np.linspace(0.0, 2.0 * math.pi, 90, endpoint=False).tolist()
            ),
        )
        for h in np.arange(-14.5, 15.0, 1.0).tolist()
        for r in (math.sqrt(15.0**2 - h**2),)
    )
    drawn = Contours(slices)
    rng = np.random.default_rng(3)
    points = rng.uniform(-25.0, 25.0, (20_000, 3)) + [5.0, 0.0, -7.0]
    far = np.linalg.norm(points - [5.0, 0.0, -7.0], axis=1)
    for shape, radius in ((drawn, 15.0), (drawn.grown(4.0), 19.0)):
        inside = shape.contains(points)
        clear = np.abs(far - radius) > 0.9
        assert (inside == (far < radius))[clear].all()
    ring = Contours((*slices[10:11], ContourSlice(slices[10].at_mm, ((2, -9), (8, -9), (5, -3)))))
    level = slices[10].at_mm
    assert ring.contains(np.array([[5.0, level, -7.0], [5.0, level, 0.0]])).tolist() == [
        False,
        True,
    ]


@pytest.mark.parametrize("orientation", ["HFS", "HFP", "FFS", "FFP"])
def test_angles_and_directions_lead_back_to_each_other(orientation: Orientation) -> None:
    for angles in ((0, 10, 0), (33, 0, 20), (100, 75, 310), (181, 340, 0), (270, 5, 45)):
        across, up, direction = axes_of(BeamAngles(*map(float, angles)), orientation)
        assert np.cross(across, up) == pytest.approx(-np.array(direction))
        found = axes_of(angles_of(direction, across, orientation), orientation)
        assert np.array(found) == pytest.approx(np.array((across, up, direction)), abs=1e-6)
    left = axes_of(BeamAngles(90.0, 0.0, 0.0), "HFS")
    assert left[2] == pytest.approx((-1.0, 0.0, 0.0), abs=1e-12)  # the source is at the left


def test_the_exported_plan_is_read_with_the_same_beams(
    exported: Path, dose_plan_path: Path
) -> None:
    plan: Plan = read_plan(dose_plan_path)
    beams = beams_of(read_plan_set([exported / "rtplan.dcm"]))
    total = sum(each.weight for each in plan.beams)
    for beam, wanted in zip(beams, plan.beams, strict=True):
        assert axes_of(beam.angles, "HFS")[2] == pytest.approx(wanted.direction, abs=1e-7)
        assert beam.isocentre_mm == pytest.approx(wanted.isocentre_mm)
        assert beam.meterset == pytest.approx(1000.0 * wanted.weight / total, rel=1e-9)
        assert beam.cone_mm == 36.0


def setting(name: str, **values: Any) -> Callable[[dict[str, Any]], object]:
    """Return a change that sets attributes of one file."""

    def change(files: dict[str, Any]) -> None:
        for keyword, value in values.items():
            setattr(files[name], keyword, value)

    return change


def beam_two(**values: Any) -> Callable[[dict[str, Any]], object]:
    """Return a change of the first control point of the second beam."""

    def change(files: dict[str, Any]) -> None:
        point = files["plan"].BeamSequence[1].ControlPointSequence[0]
        for keyword, value in values.items():
            setattr(point, keyword, value)

    return change


OTHER_PLAN = sequence(item(ReferencedSOPClassUID="1.2", ReferencedSOPInstanceUID="2.25.99"))

CROSS_WIRED = [
    *((setting(name, PatientID="SOMEBODY"), "patient") for name in ("structures", "dose", "ct")),
    (setting("plan", PatientID=""), "names no patient"),
    *((setting(name, FrameOfReferenceUID="2.25.98"), "another frame of reference")
      for name in ("dose", "ct")),
    (setting("structures", SOPInstanceUID="2.25.97"), "is not the structure set of"),
    (setting("dose", ReferencedRTPlanSequence=OTHER_PLAN), "is the dose of another plan"),
    (setting("ct", SOPInstanceUID="2.25.96"), "no image that the structures were drawn on"),
    (setting("ct", PatientPosition="FFS"), "the patient lies FFS, in the plan HFS"),
    (setting("plan", PatientSetupSequence=sequence(item(PatientPosition="HFDR"))),
     "patient position is HFDR"),
    (setting("plan", PatientSetupSequence=None), "patient position is not given"),
    (lambda files: files.pop("plan"), "0 RT Plans are given"),
    (lambda files: files.pop("structures"), "without structure set"),
    (beam_two(IsocenterPosition=["0", "0", "0"]), "isocentres"),
    (beam_two(IsocenterPosition=None), "has no isocentre"),
    (beam_two(PatientSupportAngle="30"), "several table angles (1: 0, 2: 30)"),
    (setting("plan", FractionGroupSequence=None), "has no monitor units"),
    (setting("plan", BeamSequence=None), "has no treatment beam"),
    (lambda files: files["plan"].BeamSequence[0].__setattr__("RadiationType", "ELECTRON"),
     "radiation is ELECTRON"),
    (lambda files: files["structures"].RTROIObservationsSequence.clear(),
     "no structure is a MARKER"),
    (lambda files: files["structures"].ROIContourSequence[3].ContourSequence[0].__setattr__(
        "ContourData", ["400", "0", "0"]), "mm from the isocentre"),
    (lambda files: files["structures"].ROIContourSequence[3].ContourSequence[0].__setattr__(
        "ContourData", ["400", "0"]), "is damaged"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "text"), CROSS_WIRED)
def test_files_that_do_not_belong_together_are_refused_by_name(
    change: Callable[[dict[str, Any]], object],
    text: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    paths = write_plan(tmp_path, change)
    out = tmp_path / "out" / "patient.toml"
    assert text in refusal(configured(paths, out), capsys)
    assert not out.parent.exists() or list(out.parent.iterdir()) == []


def leaves_that_make_a_shape(files: dict[str, Any]) -> None:
    beam = files["plan"].BeamSequence[0]
    beam.BeamLimitingDeviceSequence = sequence(
        item(
            RTBeamLimitingDeviceType="MLCX", LeafPositionBoundaries=["-20", "-10", "0", "10", "20"]
        )
    )
    beam.ControlPointSequence[0].BeamLimitingDevicePositionSequence.append(
        item(
            RTBeamLimitingDeviceType="MLCX",
            LeafJawPositions=["-5", "-15", "-15", "5", "5", "15", "25", "5"],
        )
    )


def test_leaves_become_rectangles_by_choice_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = write_plan(tmp_path, leaves_that_make_a_shape)
    out = tmp_path / "dose.toml"
    said = refusal(imported(paths, "--dose-plan", str(out)), capsys)
    assert "beam 1 (F1): its leaves make no constant rectangle" in said
    assert not out.exists()
    assert imported(paths, "--dose-plan", str(out), "--simplify") == 0
    assert "leaves replaced by rectangles" in capsys.readouterr().out
    # Open are 10 x 10, 10 x 30 and 10 x 37 mm (a jaw ends at 22); the last pair is closed.
    opening = read_plan(out).beams[0]
    assert isinstance(opening.aperture, Rectangle)
    assert opening.aperture.height_mm == 30.0
    assert opening.aperture.width_mm == pytest.approx(770.0 / 30.0, abs=0.001)
    middle = (100 * 0.0 + 300 * 0.0 + 370 * 3.5) / 770
    assert opening.isocentre_mm[0] == pytest.approx(middle, abs=0.001)


def an_arc(files: dict[str, Any]) -> None:
    points = files["plan"].BeamSequence[0].ControlPointSequence
    points[0].GantryAngle = "350"
    points[1:] = [
        control_point(1, 0.25, GantryAngle="10"),
        control_point(2, 0.25, GantryAngle="20"),
        control_point(3, 1.0, GantryAngle="40"),
    ]


def test_an_arc_is_a_beam_for_each_step(tmp_path: Path) -> None:
    paths = write_plan(tmp_path, an_arc)
    first = beams_of(read_plan_set([Path(path) for path in paths]))[0]
    assert [(s.angles.gantry_deg, s.share) for s in first.segments] == [(0.0, 0.25), (30.0, 0.75)]


def test_what_is_ambiguous_or_there_already_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = write_plan(tmp_path)
    out = tmp_path / "dose.toml"
    assert "--extends" in refusal(imported(paths, "--out", str(out)), capsys)
    for more, text in (
        (("--target", "Liver"), "0 drawn structures have this name"),
        (("--body", "seed 1"), "0 drawn structures have this name"),
    ):
        assert text in refusal(imported(paths, "--dose-plan", str(out), *more), capsys)
    assert "no pattern" in refusal(configured(paths, out, "--fiducials", "("), capsys)
    assert "has a name like" in refusal(configured(paths, out, "--fiducials", "clip.*"), capsys)
    assert "the beams 1, 2" in refusal(configured(paths, out, "--beam", "3"), capsys)
    assert "2 RT Plans are given" in refusal(imported([paths[0], paths[0]]), capsys)
    (tmp_path / "text.dcm").write_text("no object")
    assert "is of modality unknown" in refusal(imported([str(tmp_path / "text.dcm")]), capsys)
    out.write_text("mine")
    assert "--overwrite" in refusal(imported(paths, "--dose-plan", str(out)), capsys)
    assert out.read_text() == "mine"


def test_a_torn_file_is_refused_wherever_it_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(write_plan(tmp_path)[0])
    data = path.read_bytes()
    for end in range(0, len(data) - 1, 97):
        path.write_bytes(data[:end])
        if imported([str(path)]) != 0:
            capsys.readouterr()
            said = refusal(imported([str(path)]), capsys)
            assert str(path) in said


def test_pydicoms_own_rt_files_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = str(get_testdata_file("rtplan.dcm"))
    assert imported([plan]) == 0
    said = capsys.readouterr().out
    assert "plan Plan1 of patient id00001, HFS" in said
    assert "isocentre 235.71, 244.14, -724.98 mm" in said
    assert "beam 1 Field 1: gantry 0.0, collimator 0.0, table 0.0 degrees, 116.004 MU" in said
    for name in ("rtstruct.dcm", "rtdose.dcm"):
        wrong = refusal(imported([plan, str(get_testdata_file(name))]), capsys)
        assert "is of patient" in wrong
    assert "0 RT Plans" in refusal(imported([str(get_testdata_file("rtstruct.dcm"))]), capsys)
    out = tmp_path / "plan.toml"
    assert "without structure set" in refusal(imported([plan, "--dose-plan", str(out)]), capsys)


def test_the_set_of_a_planning_system_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not FOLDER.is_dir():
        pytest.skip("no such set here (python -m tests.dicom.planning_system_set)")
    paths = [str(path) for path in sorted(FOLDER.glob("*.dcm"))]
    assert imported(paths) == 0
    said = capsys.readouterr().out
    assert "files: plan, 1 structure set, 1 doses, 1 CT images" in said
    assert "isocentre 72.53, -304.34, -9.31 mm" in said
    assert "beam 3 5 LAO: gantry 56.0" in said
    out = tmp_path / "plan.toml"
    assert "no structure is a MARKER" in refusal(configured(paths, tmp_path / "a.toml"), capsys)
    dose = ["--dose-plan", str(out), "--target", "Tumor Bed"]
    assert "prescribed doses are 11.3114, 14 Gy" in refusal(imported(paths, *dose), capsys)
    dose += ["--prescription-gy", "14"]
    assert "leaves make no constant rectangle" in refusal(imported(paths, *dose), capsys)
    assert imported(paths, *dose, "--simplify") == 0
    plan = read_plan(out)
    assert (len(plan.beams), plan.fractions) == (4, 7)
    assert [beam.weight for beam in plan.beams] == pytest.approx([97.0, 87.0, 89.0, 94.0])
    inside = plan.target.shape.contains(np.array([plan.target_centre_mm]))
    assert inside.all()
