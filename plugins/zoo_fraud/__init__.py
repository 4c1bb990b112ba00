"""Fraud detection on transactions: the `fraud` domain of the model zoo."""
