"""Look at a data set before anything is trained on it.

python -m model.datasets check casme2 PATH [--json OUT]
"""

import argparse
import json
from pathlib import Path

from model.datasets import DATASETS, open_dataset
from model.datasets.check import as_json, report
from model.errors import InputError, exit_code


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m model.datasets", description="Look at a data set of expressions."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="what a folder holds, what is broken or was repaired")
    check.add_argument("dataset", choices=DATASETS, help="which data set it should be")
    check.add_argument("path", type=Path, help="the folder as its owners ship it")
    check.add_argument("--json", type=Path, metavar="OUT", help="write the same there as JSON")
    options = parser.parse_args()
    dataset = open_dataset(options.dataset, options.path)
    print(report(dataset))
    if options.json is not None:
        try:
            options.json.write_text(json.dumps(as_json(dataset), indent=1), encoding="utf-8")
        except OSError as error:
            raise InputError(f"cannot write {options.json}: {error.strerror}") from error


if __name__ == "__main__":
    raise SystemExit(exit_code(main))
