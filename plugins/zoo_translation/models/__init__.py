"""Networks that translate, all with an encoder and a decoder of the same protocol."""
