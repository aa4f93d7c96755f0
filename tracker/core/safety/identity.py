"""Whose session it is: what the room announces against what the controller was set up for (H22)."""

from __future__ import annotations

import hashlib

import msgspec

from hal.events import Identity
from tracker.core.settings import Controller


def model_sha256(settings: Controller) -> str:
    """Give the SHA-256 of the predictor with all its parameters."""
    text = msgspec.json.encode(settings.prediction, order="deterministic")
    return hashlib.sha256(text).hexdigest()


def differences(identity: Identity, settings: Controller) -> str:
    """Say what differs, with both values; empty when all that was told is the same."""
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
