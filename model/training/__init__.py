"""Trains networks: the recipe, variations of samples, losses, the loop, leave-one-subject-out.

`python -m model.train` is the command.
"""
