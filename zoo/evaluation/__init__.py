"""Honest figures: intervals, baselines in the same table, calibrated probabilities."""
