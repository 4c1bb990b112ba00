"""What is learnt of scans: a class, findings, masks, or the scans themselves."""
