"""Usage: how the programs' help says their options' defaults."""

import argparse


class DefaultsShown(argparse.ArgumentDefaultsHelpFormatter):
    """Says a default where it says something: not of switches, nor of what may be left out."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is None or isinstance(action.default, bool):
            return action.help
        return super()._get_help_string(action)
