"""Where things are, from two pictures of them: calibration, detection, triangulation, labels."""
