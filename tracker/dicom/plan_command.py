"""Run `tidetrack plan import`: read a plan's DICOM files, check them, write what we need of it."""

from __future__ import annotations

import argparse
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from tracker.config import load_configuration
from tracker.dicom.dicom_error import DicomError, dicom_library
from tracker.dose.plan_file import read_plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracker.dicom.plan_set import PlanSet
    from tracker.dicom.planned_beams import PlannedBeam
    from tracker.dicom.structure_set import PlannedStructure


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    does = "read a plan from DICOM files; write a configuration and a dose plan"
    read = what.add_parser("import", help=does, description=does, allow_abbrev=False)
    read.add_argument(
        "files", type=Path, nargs="+", metavar="FILE", help="RT Plan, structure set, dose, CT"
    )
    read.add_argument("--out", type=Path, metavar="CONFIG", help="write a configuration")
    read.add_argument(
        "--extends", type=Path, metavar="CONFIG", help="with --out: the room's configuration"
    )
    read.add_argument("--dose-plan", type=Path, metavar="FILE", help="write a plan for dose --plan")
    read.add_argument("--overwrite", action="store_true", help="replace files that are there")
    read.add_argument(
        "--fiducials", default="", metavar="PATTERN", help="names of the fiducials' structures"
    )
    read.add_argument("--beam", type=int, metavar="NUMBER", help="configure this beam's angles")
    read.add_argument(
        "--plan-id", choices=("uid", "label"), default="uid",
        help="what the room announces as the plan; default: its UID, which no other plan has",
    )  # fmt: skip
    for role in ("target", "liver", "body"):
        read.add_argument(f"--{role}", default="", metavar="NAME", help=f"the {role}'s structure")
    read.add_argument("--prescription-gy", type=float, metavar="GY", help="dose of the course")
    read.add_argument("--margin-mm", type=float, default=3.0, metavar="MM", help="default: 3")
    read.add_argument(
        "--simplify", action="store_true", help="let rectangles stand for the shapes of leaves"
    )


def run(args: argparse.Namespace) -> int:
    """Show the plan, and write what was asked for; nothing is written unless all of it can be."""
    dicom_library("pydicom")
    with warnings.catch_warnings():
        # pydicom complains of values that break a rule of form, also where they can be read.
        warnings.simplefilter("ignore")
        return _imported(args)


def _imported(args: argparse.Namespace) -> int:
    from tracker.dicom.plan_set import read_plan_set
    from tracker.dicom.planned_beams import beams_of, isocentre_of
    from tracker.dicom.structure_set import structures_of

    if args.out is not None and args.extends is None:
        raise DicomError("--out needs --extends CONFIG: the configuration of the room")
    outs = [path for path in (args.out, args.dose_plan) if path is not None]
    for path in outs:
        if path.exists() and not args.overwrite:
            raise DicomError(f"{path}: is there already; say --overwrite to replace it")
    plan = read_plan_set(args.files)
    beams = beams_of(plan)
    isocentre = isocentre_of(beams)
    structures = [] if plan.structures is None else structures_of(plan.structures, isocentre)
    print(_described(plan, beams, structures))
    ready: list[tuple[Path, Path]] = []
    try:
        if args.out is not None:
            ready.append((_configuration(args, plan, beams, structures), args.out))
        if args.dose_plan is not None:
            ready.append((_dose_plan(args, plan, beams, structures), args.dose_plan))
        for part, path in ready:
            part.replace(path)
            print(path)
    finally:
        for path in outs:
            _beside(path).unlink(missing_ok=True)
    return 0


def _configuration(
    args: argparse.Namespace,
    plan: PlanSet,
    beams: Sequence[PlannedBeam],
    structures: list[PlannedStructure],
) -> Path:
    """Write the configuration beside its place and load it, so that it is known to be good."""
    from tracker.dicom.plan_configuration import configuration_text
    from tracker.dicom.structure_set import fiducials_of

    _require_structures(plan)
    fiducials = fiducials_of(structures, args.fiducials)
    plan_id = plan.plan_uid if args.plan_id == "uid" else plan.label
    if not plan_id:
        raise DicomError(f"{plan.plan.path}: has no label; leave --plan-id out to take its UID")
    text = configuration_text(plan, beams, fiducials, plan_id, args.extends, args.out, args.beam)
    part = _written(args.out, text)
    load_configuration(part)
    return part


def _dose_plan(
    args: argparse.Namespace,
    plan: PlanSet,
    beams: Sequence[PlannedBeam],
    structures: list[PlannedStructure],
) -> Path:
    """Write the dose plan beside its place and read it, so that it is known to be good."""
    from tracker.dicom.dose_plan_text import (
        DosePlanChoices,
        dose_plan,
        fractions_of,
        prescription_of,
    )
    from tracker.dicom.structure_set import chosen

    _require_structures(plan)
    made = dose_plan(
        plan,
        beams,
        DosePlanChoices(
            target=chosen(structures, "target", args.target, ("GTV", "CTV", "PTV")),
            body=chosen(structures, "body", args.body, ("EXTERNAL",)),
            liver=chosen(structures, "liver", args.liver, ()) if args.liver else None,
            prescription_gy=prescription_of(plan, args.prescription_gy),
            fractions=fractions_of(plan),
            margin_mm=args.margin_mm,
            simplify=args.simplify,
        ),
    )
    part = _written(args.dose_plan, made.text)
    read_plan(part)
    for remark in made.remarks:
        print(f"note: {remark}")
    return part


def _require_structures(plan: PlanSet) -> None:
    if plan.structures is None:
        raise DicomError(
            f"{plan.plan.path}: comes without structure set; give its RTSTRUCT as well"
        )


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.toml")


def _written(path: Path, text: str) -> Path:
    part = _beside(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part.write_text(text, encoding="utf-8")
    return part


def _described(
    plan: PlanSet, beams: Sequence[PlannedBeam], structures: list[PlannedStructure]
) -> str:
    """Return the plan in words."""
    from tracker.dicom.beam_angles import to_dicom

    x, y, z = to_dicom(beams[0].isocentre_mm)
    lines = [
        f"plan {plan.label or '-'} of patient {plan.patient_id}, {plan.orientation}",
        f"isocentre {x:.2f}, {y:.2f}, {z:.2f} mm (DICOM axes)",
        f"files: plan, {'1' if plan.structures else 'no'} structure set, {len(plan.doses)} doses,"
        f" {len(plan.images)} CT images",
    ]
    for beam in beams:
        angles = beam.angles
        lines.append(
            f"beam {beam.number} {beam.name}: gantry {angles.gantry_deg:.1f}, collimator"
            f" {angles.collimator_deg:.1f}, table {angles.table_deg:.1f} degrees,"
            f" {beam.meterset:g} MU, {len(beam.segments)} segments"
        )
    lines += [f"structure {each.name}: {each.kind or 'no type'}" for each in structures]
    return "\n".join(lines)
