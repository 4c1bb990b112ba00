"""From examples to batches: pure functions of (seed, step), whatever the worker count."""
