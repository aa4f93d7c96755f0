"""RT Plan: the beams from which the exported dose was computed, marked as research.

It is exported so that dose and treatment record refer to something that is there. It is left out
where the session followed a plan of the hospital, which they then refer to.
"""

from __future__ import annotations

from pydicom.dataset import Dataset

from tracker.dicom import dataset_parts as parts
from tracker.dicom.beam_angles import angles_of, to_dicom
from tracker.dicom.export_job import RT_PLAN, Built, ExportJob, NotExportedError, Objects
from tracker.dose.plan import Circle, PlanBeam

KIND = parts.SeriesKind(RT_PLAN, "RTPLAN", 20, "plan of the dose estimate, research only")
SOURCE_AXIS_MM = 1000.0
TOTAL_METERSET = 1000.0
"""Sum of the beams' metersets: relative fluences, not monitor units of a machine."""


def research_plan(job: ExportJob) -> Objects:
    """Return the dose plan as an RT Plan; not where the hospital's plan is referred to."""
    if job.plan_uid:
        raise NotExportedError("the objects refer to the hospital's own plan")
    plan = job.plan
    dataset = job.start(KIND, "rtplan")
    begin = job.moment(0)
    dataset.OperatorsName = ""
    dataset.FrameOfReferenceUID = job.patient_frame_uid
    dataset.PositionReferenceIndicator = ""
    dataset.RTPlanLabel = "RESEARCH"
    dataset.RTPlanDescription = f"not for treatment: {plan.name}"[:1024]
    dataset.RTPlanDate, dataset.RTPlanTime = parts.date_of(begin), parts.time_of(begin)
    dataset.RTPlanGeometry = "TREATMENT_DEVICE"
    dataset.PlanIntent = "RESEARCH"
    dataset.ApprovalStatus = "UNAPPROVED"
    dataset.DoseReferenceSequence = parts.sequence(
        parts.item(
            DoseReferenceNumber=1,
            DoseReferenceStructureType="SITE",
            DoseReferenceType="TARGET",
            TargetPrescriptionDose=parts.decimal(plan.prescription_gy),
        )
    )
    total = sum(beam.weight for beam in plan.beams)
    dataset.FractionGroupSequence = parts.sequence(
        parts.item(
            FractionGroupNumber=1,
            NumberOfFractionsPlanned=plan.fractions,
            NumberOfBeams=len(plan.beams),
            NumberOfBrachyApplicationSetups=0,
            ReferencedBeamSequence=parts.sequence(
                *(
                    parts.item(
                        ReferencedBeamNumber=number,
                        BeamMeterset=parts.decimal(beam.weight / total * TOTAL_METERSET),
                    )
                    for number, beam in enumerate(plan.beams, 1)
                )
            ),
        )
    )
    dataset.PatientSetupSequence = parts.sequence(patient_setup(job))
    dataset.BeamSequence = parts.sequence(
        *(_beam(job, number, beam) for number, beam in enumerate(plan.beams, 1))
    )
    return (Built("rtplan", dataset),)


def patient_setup(job: ExportJob) -> Dataset:
    """Return how the patient lay, and that the target was tracked."""
    return parts.item(
        PatientSetupNumber=1,
        PatientPosition=job.session.setting.orientation,
        MotionSynchronizationSequence=parts.sequence(
            parts.item(
                RespiratoryMotionCompensationTechnique="TRACKING",
                RespiratorySignalSource="EXTERNAL_MARKER",
                RespiratoryMotionCompensationTechniqueDescription=(
                    f"tidetrack, machine: {job.session.setting.actuator[:40]}"
                ),
            )
        ),
    )


def _beam(job: ExportJob, number: int, beam: PlanBeam) -> Dataset:
    angles = angles_of(beam.direction, beam.across, job.session.setting.orientation)
    aperture = beam.aperture
    if isinstance(aperture, Circle):
        width = height = aperture.diameter_mm
    else:
        width, height = aperture.width_mm, aperture.height_mm
    first = parts.item(
        ControlPointIndex=0,
        CumulativeMetersetWeight="0",
        NominalBeamEnergy="6",
        BeamLimitingDevicePositionSequence=parts.sequence(
            *(
                parts.item(
                    RTBeamLimitingDeviceType=name,
                    LeafJawPositions=parts.decimals((-size / 2.0, size / 2.0)),
                )
                for name, size in (("X", width), ("Y", height))
            )
        ),
        GantryAngle=parts.decimal(angles.gantry_deg),
        GantryRotationDirection="NONE",
        BeamLimitingDeviceAngle=parts.decimal(angles.collimator_deg),
        BeamLimitingDeviceRotationDirection="NONE",
        PatientSupportAngle=parts.decimal(angles.table_deg),
        PatientSupportRotationDirection="NONE",
        TableTopEccentricAngle="0",
        TableTopEccentricRotationDirection="NONE",
        TableTopVerticalPosition="",
        TableTopLongitudinalPosition="",
        TableTopLateralPosition="",
        TableTopPitchAngle=0.0,
        TableTopPitchRotationDirection="NONE",
        TableTopRollAngle=0.0,
        TableTopRollRotationDirection="NONE",
        IsocenterPosition=parts.decimals(to_dicom(beam.isocentre_mm)),
    )
    found = parts.item(
        BeamNumber=number,
        BeamName=f"B{number}",
        BeamDescription="relative fluence, no calibrated monitor units",
        BeamType="STATIC",
        RadiationType="PHOTON",
        TreatmentMachineName="RESEARCH",
        PrimaryDosimeterUnit="MU",
        SourceAxisDistance=parts.decimal(SOURCE_AXIS_MM),
        BeamLimitingDeviceSequence=parts.sequence(
            *(parts.item(RTBeamLimitingDeviceType=n, NumberOfLeafJawPairs=1) for n in ("X", "Y"))
        ),
        TreatmentDeliveryType="TREATMENT",
        NumberOfWedges=0,
        NumberOfCompensators=0,
        NumberOfBoli=0,
        NumberOfBlocks=0,
        FinalCumulativeMetersetWeight="1",
        NumberOfControlPoints=2,
        ReferencedPatientSetupNumber=1,
        ControlPointSequence=parts.sequence(
            first, parts.item(ControlPointIndex=1, CumulativeMetersetWeight="1")
        ),
    )
    if isinstance(aperture, Circle):
        found.ApplicatorSequence = parts.sequence(
            parts.item(
                ApplicatorID=f"CONE{aperture.diameter_mm:g}"[:16],
                ApplicatorType="STEREOTACTIC",
                ApplicatorGeometrySequence=parts.sequence(
                    parts.item(
                        ApplicatorApertureShape="SYM_CIRCULAR",
                        ApplicatorOpening=aperture.diameter_mm,
                    )
                ),
            )
        )
    return found
