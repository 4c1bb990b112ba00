"""Generated scans, with which a recipe can be tried and a model pretrained without any data."""
