"""What lies on disk of a recorded session, and what can be done with it."""
