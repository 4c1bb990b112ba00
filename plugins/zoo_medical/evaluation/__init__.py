"""Metrics, baselines and figures of medical imaging."""
