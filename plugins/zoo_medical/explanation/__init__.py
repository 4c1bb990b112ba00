"""Pictures that show why, and whether they do."""
