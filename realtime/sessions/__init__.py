"""The files of a recorded session, and what can be done with them."""
