"""Runs without hardware: simulate, replay, bench and tune."""
