"""Pictures with boxes: the formats they come in, their splits, and what is wrong with them."""
