"""Measures translations: metrics, baselines and figures."""
