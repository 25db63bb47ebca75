"""Command-line options that several programs share, with `LiveConfig`'s defaults.

Each function takes a parser, or a group of one.
"""

import argparse
from pathlib import Path
from typing import Any

from model.cli import parse_size
from model.engine import ENGINES
from model.flow import FLOWS
from model.inference.shipped_weights import shipped_names
from realtime.config import LiveConfig
from realtime.password_options import AUTH, VIEW
from realtime.sources import CHOICES, ROTATIONS
from realtime.spotting.me_probability import HIGHEST, LOWEST

Options = argparse._ActionsContainer  # what parsers and their groups have in common

_DEFAULT = LiveConfig()


def add_source(options: Options) -> None:
    """Add `--source` and its options."""
    add = options.add_argument
    add("--source", default=_DEFAULT.source, help=CHOICES)
    add(
        "--fps",
        type=float,
        help="rate of camera, demo or a folder's images, or at which slow motion was shot "
        "(default: the source's own)",
    )
    add_pictures(options)


def add_pictures(options: Options) -> None:
    """Add the options for a source's pictures."""
    add = options.add_argument
    usual = f"{_DEFAULT.width}x{_DEFAULT.height}"
    add(
        "--size",
        action=_StoreSize,
        type=parse_size,
        default=argparse.SUPPRESS,
        metavar="WxH",
        help=f"of camera and demo, px (default: {usual})",
    )
    for side in ("width", "height"):  # earlier versions' spelling
        add(f"--{side}", type=int, default=getattr(_DEFAULT, side), help=argparse.SUPPRESS)
    add("--seed", type=int, default=_DEFAULT.seed, help="of the demo")
    add(
        "--face",
        default=_DEFAULT.face,
        help="whom to follow among several: largest, left, right, or a number from the left",
    )
    add_rotation(options)


class _StoreSize(argparse.Action):
    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        namespace.width, namespace.height = values


def add_rotation(options: Options) -> None:
    """Add `--rotate`."""
    options.add_argument(
        "--rotate",
        type=int,
        choices=ROTATIONS,
        default=_DEFAULT.rotate,
        help="degrees clockwise, for a camera mounted on its side or upside down",
    )


def add_perception(options: Options) -> None:
    """Add flow, classifier, least probability, baseline and device."""
    add = options.add_argument
    flows = f"{', '.join(FLOWS)}; the classifier must be trained on it"
    add("--flow", default=_DEFAULT.flow, help=flows)
    add(
        "--classifier", default=_DEFAULT.classifier, help=f"{', '.join(shipped_names())}, or a path"
    )
    add_least_probability(options)
    add("--baseline", type=Path, metavar="JSON", help="this face at rest, from calibrate baseline")
    add("--device", default=_DEFAULT.device, help="auto, cpu, cuda or cuda:N")


def add_least_probability(options: Options) -> None:
    """Add `--least-me-probability`."""
    options.add_argument(
        "--least-me-probability",
        type=float,
        default=_DEFAULT.least_me_probability,
        metavar="P",
        help=f"list what is a micro-expression with at least this probability, {LOWEST:g} (more) "
        f"to {HIGHEST:g} (fewer); default: {_DEFAULT.least_me_probability:g}",
    )


def add_engine(options: Options) -> None:
    """Add `--engine`."""
    choices = f"runs the classifier: auto, {', '.join(ENGINES)}"
    options.add_argument("--engine", default=_DEFAULT.engine, help=choices)


def add_page(options: Options) -> None:
    """Add the options of the page."""
    add = options.add_argument
    add(
        "--sessions",
        type=Path,
        metavar="DIR",
        default=_DEFAULT.sessions,
        help="folder where the page records sessions, and finds sessions to review",
    )
    add("--host", default=_DEFAULT.host, help="address that the page listens on")
    add("--port", type=int, default=_DEFAULT.port, help="0: any free one")
    add(
        "--allow-host",
        dest="allow_hosts",
        action="append",
        default=[],
        metavar="NAME",
        help="name of a proxy that shows the page; repeat it for several",
    )
    add("--root-path", default="", metavar="PATH", help="path under which a proxy shows the page")
    add(
        "--auth",
        metavar="USER:PASSWORD",
        help="needed if other machines can reach the page; --auth-file or the variable "
        f"{AUTH} hide it from others on this machine",
    )
    add(
        "--auth-file",
        type=Path,
        metavar="PATH",
        help="file with user:password in the first line, the view password in the second, if any",
    )
    add(
        "--view-password",
        metavar="PASSWORD",
        help=f"password for viewers, who may only look, under any user name; or in {VIEW}",
    )
    add(
        "--allow-sources",
        metavar="PATH",
        action="extend",
        nargs="+",
        default=[],
        help="folders, files and addresses that the page may open, with all in them (default: "
        "everything if only this machine can reach the page, otherwise only what it offers)",
    )
    add("--tls-cert", type=Path, metavar="PEM", help="certificate, to serve the page by https")
    add("--tls-key", type=Path, metavar="PEM", help="the certificate's key")
    add(
        "--no-browser",
        dest="open_browser",
        action="store_false",
        help="do not open the page in a browser",
    )
