"""Where scans come from, how they are labelled and split, and what is wrong with them."""
