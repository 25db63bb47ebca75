"""Plumbing without faces: ring, clock, worker, counters, latency."""
