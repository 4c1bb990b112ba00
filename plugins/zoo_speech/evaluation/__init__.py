"""Metrics, baselines and figures of the speech tasks."""
