"""How networks are trained: the recipe, variations of samples, losses, the loop, one fold each.

`python -m model.train` is the command.
"""
