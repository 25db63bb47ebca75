"""Measures how well expressions are named: UF1, UAR, average precision, bootstrap, folds."""
