"""How far the probabilities of a classifier can be believed."""
