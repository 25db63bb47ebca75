"""Checks whether a camera is good enough: noise, compression, flicker, timing, and remedies."""
