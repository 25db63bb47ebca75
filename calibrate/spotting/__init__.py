"""How far the spotter can be trusted: scores, the test bed, thresholds for footage."""
