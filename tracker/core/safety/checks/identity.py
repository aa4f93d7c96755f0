"""Check whether patient, plan and predictor are those the controller was set up for (H22)."""

from __future__ import annotations

import hashlib

import msgspec

from hal.events import Identity
from tracker.core.safety.fault_book import Conditions
from tracker.core.safety.fault_table import FaultName
from tracker.core.safety.situation import Situation
from tracker.core.settings import Controller


class IdentityCheck:
    """Holds the beam for another patient, plan or model; refuses to start unannounced."""

    def __init__(self, settings: Controller) -> None:
        """Take from the settings whether an announcement is needed."""
        self._needed = settings.session.identify

    def __call__(self, now: Situation, found: Conditions) -> None:
        """Look at how the announced patient, plan and predictor differ from those configured."""
        reports = now.reports
        if reports.misidentified:
            found[FaultName.WRONG_PATIENT_OR_PLAN] = reports.misidentified
        if self._needed and not reports.identified:
            found[FaultName.NOT_IDENTIFIED] = "session.identify is true"


def model_sha256(settings: Controller) -> str:
    """Give the SHA-256 of the predictor with all its parameters."""
    text = msgspec.json.encode(settings.prediction, order="deterministic")
    return hashlib.sha256(text).hexdigest()


def differences(identity: Identity, settings: Controller) -> str:
    """Say what differs from the settings, with both values; empty when nothing does.

    Fields that the announcement leaves empty are not compared.
    """
    session = settings.session
    pairs = (
        ("patient", identity.patient_id, session.patient_id),
        ("plan", identity.plan_id, session.plan_id),
        ("orientation", identity.orientation, session.orientation),
        ("model", identity.model_sha256, model_sha256(settings) if identity.model_sha256 else ""),
    )
    return "; ".join(
        f"{name} is {told}, set up for {here}"
        for name, told, here in pairs
        if told and told != here
    )
