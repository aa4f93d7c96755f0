"""`tidetrack bench`: score predictors on recorded traces."""
