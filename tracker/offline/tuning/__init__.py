"""Tune a predictor over an archive: traces, search, workers, leave-subject-out, page."""
