"""Trained networks at work: checkpoints, confidence, and the naming of a window."""
