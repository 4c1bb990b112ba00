"""What recordings mean: keywords, text or speakers."""
