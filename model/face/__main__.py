"""Get the networks that find faces.

python -m model.face fetch                  into this user's cache, from PyPI, once
python -m model.face fetch --from WHEEL     from mediapipe's wheel, or a folder, without PyPI
"""

import sys
from pathlib import Path

from model.cli import Parser, exit_code, program
from model.errors import InputError
from model.face.network_files import NETWORKS, fetch_networks, network_file


def main() -> None:
    """Parse the command line and fetch the networks if they are missing."""
    parser = Parser(prog=program("model.face"), description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    fetch = commands.add_parser("fetch", help="get the networks, unless they are already here")
    fetch.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="WHEEL_OR_DIR",
        help="mediapipe's wheel, or a folder with the networks: nothing is downloaded",
    )
    options = parser.parse_args()
    if options.source is None:
        try:
            where = {network_file(name).parent for name in NETWORKS}
        except InputError:
            pass
        else:
            print(f"the face networks are already here: {', '.join(map(str, sorted(where)))}")
            return
    print(f"face networks: {fetch_networks(options.source)}")


if __name__ == "__main__":
    sys.exit(exit_code(main))
