"""Can the spotter be trusted: scores, the test bed, thresholds for footage."""
