"""From sensor samples to the breathing state: sources, time base, fusion, breaths, novelty."""
