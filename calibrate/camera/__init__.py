"""Is the camera good enough: noise, compression, flicker, timing, and what to change."""
