"""From frames to events in real time: sources, ring, motion, spotting, pipeline, threads, page."""
