"""`tidetrack compare`: what every technique would do for a patient's own breathing."""
