"""Prediction of breathing motion: methods, their mixture, and how sure they are."""
