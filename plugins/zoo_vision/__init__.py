"""Object detection: the `vision` domain of the model zoo."""
