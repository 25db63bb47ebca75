"""Measures what `realtime` then uses: camera, baseline, spotting."""
