"""Networks that hear: a front end, an encoder and a head each."""
