"""Frames to events, in time: sources, ring, motion, spotting, pipeline, threads, page."""
