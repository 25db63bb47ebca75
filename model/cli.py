"""What all commands share: exit codes, how help names them and shows defaults, result folders."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from model.errors import PACKAGES, InputError, describe_error, explain_missing, is_refused
from model.text import clean_line

HELP = ("-h", "--help", "--help-all")
"""Options that show help, for commands that choose what to run by their first argument."""


def exit_code(main: Callable[[], int | None]) -> int:
    """Run a command's `main` and return its exit code; None from `main` is 0, success.

    An `InputError`, a file or folder that the system refuses, and a missing optional package each
    give one line on stderr and code 2. Two ends have the codes of shells: Ctrl-C, if the command
    does not handle it, gives one line and 130; a reader that stops reading, as `head` does, 141.
    """
    try:
        try:
            return _run(main)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Python writes at its end what is still buffered, and would report that nobody reads it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _run(main: Callable[[], int | None]) -> int:
    try:
        return main() or 0
    except InputError as error:
        print(f"error: {describe_error(error)}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        if error.name not in PACKAGES:
            raise
        print(f"error: {explain_missing(error.name)}", file=sys.stderr)
        return 2
    except OSError as error:
        if not is_refused(error):
            raise
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {clean_line(f'{where}{error.strerror}')}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


def program(command: str) -> str:
    """How the user called `command` (a module, perhaps with a subcommand), for its help: either
    `fmanet JOB` or `python -m MODULE`, then the subcommand."""
    _, _, what = command.partition(" ")
    typed = sys.argv[0] if sys.argv[0].startswith("fmanet ") else ""
    return f"{typed} {what}".rstrip() if typed else f"python -m {command}"


class ListAction(argparse.Action):
    """An option with a list of values, typed as `a,b,c`; as `a b c` too, as earlier versions had
    it. Of a value, a comma before a space is a part."""

    def __init__(
        self, *arguments: Any, convert: type[str] | type[int] = str, **options: Any
    ) -> None:
        """`convert` is the type of a value; `choices` are those of the values."""
        self._convert = convert
        self._values = options.pop("choices", None)
        super().__init__(*arguments, **{"nargs": "+", **options})

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        found = []
        for text in filter(None, chain.from_iterable(re.split(",(?! )", v) for v in values)):
            try:
                value = self._convert(text)
            except ValueError:
                raise argparse.ArgumentError(self, f"{text!r} is no whole number") from None
            if self._values is not None and value not in self._values:
                choices = ", ".join(map(str, self._values))
                raise argparse.ArgumentError(self, f"{text!r}: choose from {choices}")
            found.append(value)
        setattr(namespace, self.dest, found)


class HelpFormatter(argparse.HelpFormatter):
    """Shows defaults that mean something, as they are typed; a short usage line; no rare
    options."""

    rare = False
    """Whether to show rare options."""

    def add_argument(self, action: argparse.Action) -> None:
        """Show `action` unless it is rare."""
        if self.rare or not getattr(action, "rare", False):
            super().add_argument(action)

    def _get_help_string(self, action: argparse.Action) -> str | None:
        default = action.default
        if isinstance(default, bool) or default in (None, "", argparse.SUPPRESS, [], ()):
            return action.help
        values = default if isinstance(default, (list, tuple)) else [default]
        between = "," if isinstance(action, ListAction) else " "
        typed = between.join(f"{v:g}" if isinstance(v, float) else str(v) for v in values)
        return f"{action.help} (default: {typed})"

    def _format_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[Any],
        prefix: str | None,
    ) -> str:
        wanted = [each for each in actions if not each.option_strings or each.required]
        text = super()._format_usage(usage, wanted, (), prefix)
        # Without a prefix, this is the name of a subcommand's parser.
        return text if prefix == "" else text.replace(self._prog, f"{self._prog} [options]", 1)


class _AllFormatter(HelpFormatter):
    rare = True


class _HelpAll(argparse.Action):
    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        parser.formatter_class = _AllFormatter
        parser.print_help()
        parser.exit()


class Parser(argparse.ArgumentParser):
    """A command's options. `--help` fits on a screen; `--help-all` shows the rare ones too."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{"formatter_class": HelpFormatter, **options})
        none = argparse.SUPPRESS
        self.add_argument("--help-all", action=_HelpAll, nargs=0, default=none, help=none)

    def format_help(self) -> str:
        """The help, with a line that counts the options it leaves out."""
        rare = sum(getattr(action, "rare", False) for action in self._actions)
        text = super().format_help()
        if rare and self.formatter_class is not _AllFormatter:
            options = "option" if rare == 1 else "options"
            text += f"\n{rare} rarely needed {options} more: --help-all\n"
        return text

    def hide_rare(self, *names: str) -> None:
        """Show these options in `--help-all` only, in a group of their own. Raises `KeyError` if
        there is no such option."""
        options = {name: action for action in self._actions for name in action.option_strings}
        rare = self.add_argument_group("rarely needed")
        for name in names:
            action = options[name]
            action.rare = True  # type: ignore[attr-defined]
            for group in self._action_groups:
                if action in group._group_actions:
                    group._group_actions.remove(action)
            rare._group_actions.append(action)


def parse_size(text: str) -> tuple[int, int]:
    """Width and height in `640x480`, for an option's `type`."""
    width, cross, height = text.partition("x")
    if not (cross and width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size like 640x480")
    return int(width), int(height)


def format_columns(rows: Sequence[Sequence[str]]) -> str:
    """A table for the terminal: the first column flush left, the others flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *rest in rows:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]))
    return "\n".join(lines)


def make_folder(folder: Path) -> None:
    """Make `folder` and its parents unless they exist. Commands call this before they compute, so
    that a bad folder fails at once and not after hours. Raises `InputError` if nothing can be
    written into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error.strerror}") from error
    if not os.access(folder, os.W_OK):
        raise InputError(f"no permission to write into {folder}: give another folder")


def new_folder(path: Path) -> None:
    """Make the folder `path`, or use it if it is empty. Raises `InputError` if it is not."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"--out {path} exists, and results are never overwritten: another --out")
    make_folder(path)
