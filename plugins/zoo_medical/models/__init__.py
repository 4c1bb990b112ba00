"""Networks for pictures and volumes."""
