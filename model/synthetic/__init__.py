"""Faces that move in known ways: FACS action units as displacement fields, an animated portrait,
footage with its truth. It is at once the demo source, the test bed and the training data."""
