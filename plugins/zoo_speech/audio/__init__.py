"""Recordings of any kind as mono samples, and what is wrong with those that are not."""
