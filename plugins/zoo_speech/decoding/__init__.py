"""From probabilities of symbols by frame to text with times (CTC)."""
