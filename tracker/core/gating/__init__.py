"""Gating: when the beam is on by plan, while nothing is wrong: windows and breath holds."""
