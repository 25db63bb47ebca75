"""Measures a face at rest and derives its thresholds."""
