"""Look at a data set before anything is trained on it.

python -m model.datasets check casme2 PATH [--json OUT]
python -m model.datasets check maps PATH
python -m model.datasets flows casme2 PATH --cache DIR
"""

import argparse
import json
import sys
from pathlib import Path

from model.cli import Parser, program
from model.datasets import DATASETS, Dataset, open_dataset
from model.datasets.flow_maps import read_maps
from model.datasets.summary import as_json, report, report_maps
from model.errors import InputError, exit_code
from model.face.network_files import add_face_networks
from model.flow import FLOWS, load_flow


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
    check.add_argument("--json", type=Path, metavar="OUT", help="write the same there as JSON")
    flows = commands.add_parser("flows", help="compute the flow of both phases of every clip")
    flows.add_argument("dataset", choices=DATASETS)
    flows.add_argument("path", type=Path)
    flows.add_argument("--cache", type=Path, required=True, help="where the flows are kept")
    flows.add_argument("--flow", choices=FLOWS, default="lk", help="default: %(default)s")
    flows.add_argument("--workers", type=int, help="processes (default: one less than cores)")
    add_face_networks(flows)
    options = parser.parse_args()
    if options.dataset == "maps":
        if options.json is not None:
            raise InputError("--json is for data sets of clips: a table of maps is its own list")
        print(report_maps(read_maps(options.path), options.path))
        return
    dataset = open_dataset(options.dataset, options.path)
    if options.command == "flows":
        _flows(dataset, options)
        return
    print(report(dataset))
    if options.json is not None:
        try:
            options.json.write_text(json.dumps(as_json(dataset), indent=1), encoding="utf-8")
        except OSError as error:
            raise InputError(f"cannot write {options.json}: {error.strerror}") from error


def _flows(dataset: Dataset, options: argparse.Namespace) -> None:
    # This imports the face networks, which the check does not need.
    from model.datasets.flows import flow_pairs

    flow = load_flow(options.flow)
    try:
        pairs = flow_pairs(dataset, flow, options.cache, workers=options.workers)
    except KeyboardInterrupt:
        print("stopped: what was computed is kept, the same command goes on", file=sys.stderr)
        raise SystemExit(130) from None
    print(f"{len(pairs)} clips, {int(pairs.both_phases.sum())} of them with both phases")
    for problem in pairs.left_out:
        print(f"left out: {problem.clip}: {problem.reason}")


if __name__ == "__main__":
    raise SystemExit(exit_code(main))
