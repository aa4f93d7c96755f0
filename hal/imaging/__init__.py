"""Locate markers and seeds from two pictures: calibration, detection, triangulation, naming."""
