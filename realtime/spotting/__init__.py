"""From aligned faces to windows: when a face moved and returned, and which movements to reject."""
