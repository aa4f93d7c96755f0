"""Simulate a treatment room: the patient and a twin of every device."""
