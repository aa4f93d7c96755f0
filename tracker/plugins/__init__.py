"""Predictors that other people write: how they are named, loaded, wrapped and checked."""
