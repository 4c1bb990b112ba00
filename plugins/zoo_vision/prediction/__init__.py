"""From raw outputs to distinct boxes in whole pictures, drawn, written and explained."""
