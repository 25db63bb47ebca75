"""What runs while a session is recorded: recorder, video, sound, markers, checks."""
