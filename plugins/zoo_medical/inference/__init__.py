"""Scans that are larger than a network's input."""
