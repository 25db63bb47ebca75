"""Look at a data set before training on it.

python -m model.datasets check casme2:PATH
python -m model.datasets check maps:PATH
"""

from model.cli import Parser, exit_code, program
from model.datasets import open_dataset
from model.datasets.flow_maps import read_maps
from model.datasets.flows import split_data_spec
from model.datasets.summary import summarise, summarise_maps


def main() -> None:
    parser = Parser(
        prog=program("model.datasets"), description="Look at a data set of expressions."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="what a folder holds, what is broken or was repaired")
    check.add_argument(
        "data", metavar="NAME:PATH", help="a folder as its owners ship it, as --data takes it"
    )
    check.add_argument("path", nargs="?", help="PATH, if NAME stands alone")
    options = parser.parse_args()
    specs = options.data.split(",") if options.path is None else [f"{options.data}:{options.path}"]
    for spec in specs:
        name, path = split_data_spec(spec)
        if name == "maps":
            print(summarise_maps(read_maps(path), path))
        else:
            print(summarise(open_dataset(name, path)))


if __name__ == "__main__":
    raise SystemExit(exit_code(main))
