"""RT Beams Treatment Record: when the beam was on, and every hold as an interruption.

The journal does not know the machine's beams, so the session is one delivered beam. Each stretch
with beam has a control point at its start and at its end; between two stretches the meterset
stays. Each hold is also an interlock with its time and reason. Without monitor units in the journal
the meterset is the time with beam in minutes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from hal.messages import LinacStatus
from tracker.core.machine.geometry import MachineAngles
from tracker.dicom import dataset_parts as parts
from tracker.dicom.export_job import RT_RECORD, Built, ExportJob, NotExportedError, Objects
from tracker.dicom.export_session import ExportSession
from tracker.dicom.objects.research_plan import patient_setup

Vector = NDArray[np.float64]

KIND = parts.SeriesKind(RT_RECORD, "RTRECORD", 21, "treatment record")
MOST_STRETCHES = 10_000
HOLD = parts.Coded("HOLD", parts.SCHEME, "Beam hold by the tracking controller")
RELEASED = parts.Coded("RELEASED", parts.SCHEME, "The controller permitted the beam again")
NOT_RELEASED = parts.Coded("NOT-RELEASED", parts.SCHEME, "The hold lasted to the end")


class Meterset(NamedTuple):
    """The delivered meterset at moments of the run, and its unit: MU or MINUTE."""

    times_ns: Vector
    values: Vector
    unit: str

    def at(self, t_ns: float) -> float:
        """Return the meterset at a moment."""
        return float(np.interp(t_ns, self.times_ns, self.values))


def treatment_record(job: ExportJob) -> Objects:
    """Return the record of the session; raises `NotExportedError` where the beam was never on."""
    session = job.session
    if session.records.tracking_ns is None:
        raise NotExportedError("tracking was never started")
    stretches = beam_stretches(session)
    if not stretches:
        raise NotExportedError("the beam was never on")
    dataset = job.start(KIND, "treatment-record")
    begin = job.moment(stretches[0][0])
    dataset.OperatorsName = ""
    dataset.TreatmentDate, dataset.TreatmentTime = parts.date_of(begin), parts.time_of(begin)
    dataset.ReferencedRTPlanSequence = parts.sequence(job.refer_to_plan())
    dataset.TreatmentMachineSequence = parts.sequence(
        parts.item(
            TreatmentMachineName="RESEARCH",
            Manufacturer="",
            InstitutionName="",
            ManufacturerModelName=session.setting.actuator[:64],
            DeviceSerialNumber="",
        )
    )
    meterset = delivered_meterset(session, stretches)
    dataset.PrimaryDosimeterUnit = meterset.unit
    dataset.NumberOfFractionsPlanned = ""
    dataset.PatientSetupSequence = parts.sequence(patient_setup(job))
    dataset.TreatmentSessionBeamSequence = parts.sequence(_beam(job, stretches, meterset))
    return (Built("treatment-record", dataset),)


def beam_stretches(session: ExportSession) -> list[tuple[int, int]]:
    """Return begin and end of every stretch with beam, from the start of tracking to its stop."""
    rows = session.records.beam
    start, stop = session.records.tracking_ns or 0, session.records.stopped_ns
    found: list[tuple[int, int]] = []
    began: int | None = None
    for t_ns, on in rows.tolist():
        at = int(min(max(t_ns, start), stop))
        if on > 0.5 and began is None and t_ns <= stop:
            began = at
        elif on <= 0.5 and began is not None:
            if at > began:
                found.append((began, at))
            began = None
    if began is not None and stop > began:
        found.append((began, stop))
    if len(found) > MOST_STRETCHES:
        raise NotExportedError(
            f"the beam came on {len(found)} times; a record holds at most {MOST_STRETCHES}"
        )
    return found


def delivered_meterset(session: ExportSession, stretches: list[tuple[int, int]]) -> Meterset:
    """Return the machine's monitor units; without them minutes of beam."""
    counted = [(s.t_ns, s.monitor_units) for s in session.linac if s.monitor_units is not None]
    if len(counted) > 1:
        rows = np.array(counted, dtype=np.float64)
        first = np.interp(stretches[0][0], rows[:, 0], rows[:, 1])
        return Meterset(rows[:, 0], np.maximum.accumulate(rows[:, 1]) - first, "MU")
    times: list[float] = []
    values: list[float] = []
    total = 0.0
    for begin, end in stretches:
        times += [begin, end]
        values += [total, total + (end - begin) / 60e9]
        total = values[-1]
    return Meterset(np.array(times, dtype=np.float64), np.array(values), "MINUTE")


def _beam(job: ExportJob, stretches: list[tuple[int, int]], meterset: Meterset) -> Dataset:
    moments = [t_ns for stretch in stretches for t_ns in stretch]
    delivered = parts.item(
        CurrentFractionNumber="",
        BeamName="SESSION",
        BeamType="STATIC",
        RadiationType="PHOTON",
        TreatmentDeliveryType="TREATMENT",
        NumberOfWedges=0,
        NumberOfCompensators=0,
        NumberOfBoli=0,
        NumberOfBlocks=0,
        TreatmentTerminationStatus=_termination(job.session),
        TreatmentVerificationStatus="",
        DeliveredPrimaryMeterset=parts.decimal(meterset.at(moments[-1])),
        ReferencedPatientSetupNumber=1,
        NumberOfControlPoints=len(moments),
        BeamLimitingDeviceLeafPairsSequence=parts.sequence(
            *(parts.item(RTBeamLimitingDeviceType=n, NumberOfLeafJawPairs=1) for n in ("X", "Y"))
        ),
        ControlPointDeliverySequence=parts.sequence(
            *(_control_point(job, k, t_ns, meterset) for k, t_ns in enumerate(moments))
        ),
    )
    holds = _interlocks(job)
    if holds:
        delivered.InterlockSequence = parts.sequence(*holds)
    return delivered


def _control_point(job: ExportJob, index: int, t_ns: int, meterset: Meterset) -> Dataset:
    at = job.moment(t_ns)
    point = parts.item(
        TreatmentControlPointDate=parts.date_of(at),
        TreatmentControlPointTime=parts.time_of(at),
        ReferencedControlPointIndex=index,
        SpecifiedMeterset="",
        DeliveredMeterset=parts.decimal(meterset.at(t_ns)),
        DoseRateSet="",
        DoseRateDelivered="",
    )
    angles = _angles(job.session, t_ns)
    if index == 0 or job.session.linac:
        point.GantryAngle = parts.decimal(angles.gantry_deg % 360.0)
        point.GantryRotationDirection = "NONE"
        point.BeamLimitingDeviceAngle = parts.decimal(angles.collimator_deg % 360.0)
        point.BeamLimitingDeviceRotationDirection = "NONE"
        point.PatientSupportAngle = parts.decimal(angles.table_deg % 360.0)
        point.PatientSupportRotationDirection = "NONE"
    if index == 0:
        point.TableTopEccentricAngle = "0"
        point.TableTopEccentricRotationDirection = "NONE"
        point.TableTopVerticalPosition = ""
        point.TableTopLongitudinalPosition = ""
        point.TableTopLateralPosition = ""
        point.TableTopPitchAngle = 0.0
        point.TableTopPitchRotationDirection = "NONE"
        point.TableTopRollAngle = 0.0
        point.TableTopRollRotationDirection = "NONE"
    return point


def _angles(session: ExportSession, t_ns: int) -> LinacStatus | MachineAngles:
    """Return the newest angles reported until then; without reports those of the settings."""
    if not session.linac:
        return session.standing
    earlier = [each for each in session.linac if each.t_ns <= t_ns]
    return earlier[-1] if earlier else session.linac[0]


def _interlocks(job: ExportJob) -> list[Dataset]:
    """Return each hold with its first moment and its reasons, which are words of a fixed list."""
    found: list[Dataset] = []
    for hold in job.session.records.holds.all():
        lasted = (hold.end_ns or job.session.records.stopped_ns) - hold.start_ns
        reasons = ", ".join((*hold.reasons, *hold.later)) or "unknown"
        found.append(
            parts.item(
                InterlockDateTime=parts.date_time_of(job.moment(hold.start_ns)),
                InterlockDescription=f"beam hold of {lasted / 1e9:.2f} s: {reasons}"[:1024],
                InterlockCodeSequence=parts.sequence(HOLD.item()),
                InterlockOriginDescription="tidetrack",
                InterlockResolutionCodeSequence=parts.sequence(
                    (NOT_RELEASED if hold.end_ns is None else RELEASED).item()
                ),
                InterlockResolutionUserSequence=parts.sequence(),
            )
        )
    return found


def _termination(session: ExportSession) -> str:
    """Return how the session ended; a journal that breaks off does not say it."""
    if session.journal.torn is not None:
        return "UNKNOWN"
    ends = [each for each in session.records.session if each.after == "STOPPED"]
    return "MACHINE" if ends and ends[-1].trigger.startswith("fault") else "NORMAL"
