"""Detectors, all with the same inputs and outputs."""
