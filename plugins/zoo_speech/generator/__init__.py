"""Speech that is synthesised from formants, to try out and pretrain models without data."""
