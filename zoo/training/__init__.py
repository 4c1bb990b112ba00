"""Staged training that resumes to the bit."""
