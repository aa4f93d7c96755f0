"""Predict breathing motion: methods, their mixture, and their uncertainty."""
