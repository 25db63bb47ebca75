"""How far a classifier's probabilities can be trusted."""
