"""Measures what `realtime` then uses."""
