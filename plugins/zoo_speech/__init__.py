"""Keywords, transcripts and speakers: the `speech` domain of the model zoo."""
