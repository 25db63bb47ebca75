"""How far the spotter can be trusted: scores, and the test bed."""
