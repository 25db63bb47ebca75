"""Measurements whose results `realtime` uses."""
