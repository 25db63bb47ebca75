"""Look at a data set before training on it.

python -m model.datasets check casme2 PATH
python -m model.datasets check maps PATH
"""

from pathlib import Path

from model.cli import Parser, exit_code, program
from model.datasets import DATASETS, open_dataset
from model.datasets.flow_maps import read_maps
from model.datasets.summary import summarise, summarise_maps


def main() -> None:
    parser = Parser(
        prog=program("model.datasets"), description="Look at a data set of expressions."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="what a folder holds, what is broken or was repaired")
    check.add_argument(
        "dataset", choices=(*DATASETS, "maps"), help="which data set it should be; maps: flow maps"
    )
    check.add_argument("path", type=Path, help="the folder as its owners ship it")
    options = parser.parse_args()
    if options.dataset == "maps":
        print(summarise_maps(read_maps(options.path), options.path))
    else:
        print(summarise(open_dataset(options.dataset, options.path)))


if __name__ == "__main__":
    raise SystemExit(exit_code(main))
