"""Look at a data set before training on it, and compute its flows beforehand.

python -m model.datasets check casme2:PATH
python -m model.datasets check maps:PATH
python -m model.datasets flows casme2:PATH --ray
"""

import argparse
from pathlib import Path

from model.cli import Parser, exit_code, program
from model.datasets import open_dataset
from model.datasets.cache import compute_clips
from model.datasets.clips import Problem
from model.datasets.flow_maps import read_maps
from model.datasets.flows import compute_flows, split_data_spec
from model.datasets.summary import summarise, summarise_maps
from model.errors import InputError
from model.face.network_files import add_face_networks
from model.flow import FLOWS, load_flow
from model.parallel import add_jobs, check_workers


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
    flows = commands.add_parser("flows", help="compute the flows that training reads")
    flows.add_argument("data", metavar="NAME:PATH", help="folders, with commas, as --data has them")
    flows.add_argument("--flow", choices=FLOWS, default="lk", help="(default: lk)")
    flows.add_argument("--cache", type=Path, default=Path("runs"), help="as training has it")
    add_face_networks(flows)
    add_jobs(flows, 3, "compute them")
    options = parser.parse_args()
    (_check if options.command == "check" else _compute)(options)


def _check(options: argparse.Namespace) -> None:
    specs = options.data.split(",") if options.path is None else [f"{options.data}:{options.path}"]
    for spec in specs:
        name, path = split_data_spec(spec)
        if name == "maps":
            print(summarise_maps(read_maps(path), path))
        else:
            print(summarise(open_dataset(name, path)))


def _compute(options: argparse.Namespace) -> None:
    check_workers(options.workers)
    cache = options.cache / "clips"  # in which training looks
    for spec in options.data.split(","):
        name, path = split_data_spec(spec)
        if name == "maps":
            raise InputError(f"{spec} holds flows: give a folder of pictures")
        dataset, flow = open_dataset(name, path).micro(), load_flow(options.flow)
        found = compute_clips(dataset, compute_flows, flow, cache, workers=options.workers)
        problems = [result for _, result in found if isinstance(result, Problem)]
        print(f"{dataset.title}: {len(dataset) - len(problems)} clips in {cache}")
        for each in problems:
            print(f"  left out: {each.where} ({each.clip}): {each.reason}")


if __name__ == "__main__":
    raise SystemExit(exit_code(main))
