"""Command-line options that several programs share, with `LiveConfig`'s defaults.

Each function takes a parser, or a group of one.
"""

import argparse
from pathlib import Path

from model.engine import ENGINES
from model.flow import FLOWS
from model.inference.shipped_weights import shipped_names
from realtime.config import LiveConfig
from realtime.passwords import AUTH, VIEW
from realtime.sources import CHOICES, ROTATIONS

Options = argparse._ActionsContainer  # what parsers and their groups have in common

_DEFAULT = LiveConfig()


def add_source(options: Options) -> None:
    """`--source` and what is asked of it."""
    add = options.add_argument
    add("--source", default=_DEFAULT.source, help=CHOICES)
    add(
        "--fps",
        type=float,
        help="of camera, demo, a folder's images; at which slow motion was shot",
    )
    add_pictures(options)


def add_pictures(options: Options) -> None:
    """What pictures a source gives."""
    add = options.add_argument
    add("--width", type=int, default=_DEFAULT.width, help="px, of camera and demo")
    add("--height", type=int, default=_DEFAULT.height, help="px, of camera and demo")
    add("--seed", type=int, default=_DEFAULT.seed, help="of the demo")
    add_rotation(options)


def add_rotation(options: Options) -> None:
    """How the pictures of a source are turned."""
    options.add_argument(
        "--rotate",
        type=int,
        choices=ROTATIONS,
        default=_DEFAULT.rotate,
        help="turn the pictures clockwise, degrees: a camera mounted on its side or upside down",
    )


def add_perception(options: Options) -> None:
    """What computes, but for the engine."""
    add = options.add_argument
    flows = f"{', '.join(FLOWS)}; the classifier has to be trained on it"
    add("--flow", default=_DEFAULT.flow, help=flows)
    add(
        "--classifier", default=_DEFAULT.classifier, help=f"{', '.join(shipped_names())}, or a path"
    )
    add("--baseline", type=Path, metavar="JSON", help="of this face, made by calibrate baseline")
    add("--device", default=_DEFAULT.device, help="auto, cpu, cuda or cuda:N")


def add_engine(options: Options) -> None:
    """What runs the classifier."""
    choices = f"runs the classifier: auto, {', '.join(ENGINES)}"
    options.add_argument("--engine", default=_DEFAULT.engine, help=choices)


def add_page(options: Options) -> None:
    """Where the page is, and for whom."""
    add = options.add_argument
    add(
        "--sessions",
        type=Path,
        metavar="DIR",
        default=_DEFAULT.sessions,
        help="where the page records sessions, and finds those to review",
    )
    add("--host", default=_DEFAULT.host, help="address that the page listens on")
    add("--port", type=int, default=_DEFAULT.port, help="0: any free one")
    add(
        "--allow-host",
        dest="allow_hosts",
        action="append",
        default=[],
        metavar="NAME",
        help="a proxy's name, by which the page may be asked for too; several times for several",
    )
    add("--root-path", default="", metavar="PATH", help="under which a proxy shows the page")
    add(
        "--auth",
        metavar="USER:PASSWORD",
        help=f"demanded beyond this machine; better by --auth-file or in {AUTH}, which others on "
        "this machine do not see",
    )
    add(
        "--auth-file",
        type=Path,
        metavar="PATH",
        help="its first line is user:password, its second, if any, the password to look",
    )
    add(
        "--view-password",
        metavar="PASSWORD",
        help=f"of those who only look at what is live, under any name; or in {VIEW}",
    )
    add(
        "--allow-sources",
        metavar="PATH",
        action="extend",
        nargs="+",
        default=[],
        help="folders, files and addresses that the page may open, with all in them; by default "
        "anything on a page for this machine alone, else only what it offers",
    )
    add("--tls-cert", type=Path, metavar="PEM", help="certificate: serve by https")
    add("--tls-key", type=Path, metavar="PEM", help="its key")
    add(
        "--no-browser",
        dest="open_browser",
        action="store_false",
        help="do not open the page in a browser",
    )
