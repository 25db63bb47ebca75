"""From aligned faces to windows: when a face moved and returned, and why a movement is none."""
