"""Pixels to label: face, optical flow of both phases, classification.

Knows no clock, thread, camera or page. Start with `model.records`.
"""
