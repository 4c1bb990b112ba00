"""Reads, checks and filters parallel text."""
