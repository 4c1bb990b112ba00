"""Machine translation: the `translation` domain of the model zoo."""
