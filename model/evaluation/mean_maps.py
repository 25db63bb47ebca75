"""Draws what each class looks like on average: arrows of the mean onset→apex flow of its samples,
which start at their dots.

    python -m model.evaluation.mean_maps            # synthetic pairs, into mean-maps.svg
    python -m model.evaluation.mean_maps --data casme2:PATH --out casme2.svg

This is a visual check of synthetic expressions and of a data set's coding. Surprise should lift the
brows, negative draw them down and in, positive pull the corners of the mouth out and up (the units
of EMFACS: Friesen & Ekman 1983).
"""

from model.errors import demand

if __name__ == "__main__":
    demand("torch")  # before the imports that need it

from pathlib import Path

import numpy as np
import torch

from model.classifiers.normalisation import normalise
from model.cli import Parser, exit_code, make_folder, program
from model.datasets.clip_samples import open_samples
from model.errors import InputError
from model.evaluation.html import render
from model.face.network_files import add_face_networks
from model.flow import FLOWS, load_flow
from model.inference.samples import SampleSet
from model.parallel import add_jobs, check_workers
from model.records import ArrayF32
from model.synthetic.stored_samples import open_pairs
from model.training.training_samples import SYNTHETIC

_SIDE_PX = 240  # of a panel
_CELLS = 16  # arrows along a side


def average_maps(samples: SampleSet) -> dict[str, ArrayF32]:
    """The mean onset→apex flow of each class, (2, 64, 64). Samples are centred and scaled to equal
    strength, as for networks, so strong ones do not outweigh weak ones."""
    means = {}
    for number, label in enumerate(samples.classes):
        first = torch.from_numpy(samples.phases[samples.labels == number, 0].astype(np.float32))
        if len(first) == 0:
            raise InputError(f"{samples.name} has no sample of the class {label}")
        alone = torch.zeros(len(first))
        shown = normalise(first, torch.zeros_like(first), alone)[0]
        means[label] = shown.mean(dim=0).numpy()
    return means


def draw_maps(means: dict[str, ArrayF32], what: str) -> str:
    """An SVG file with a panel of arrows per class. The longest arrow is one and a half cells long.
    `what` says what the means are of."""
    longest = max(float(np.hypot(*mean).max()) for mean in means.values())
    cell = _SIDE_PX / _CELLS
    panels = []
    for label, mean in means.items():
        at = np.floor((np.arange(_CELLS) + 0.5) * mean.shape[1] / _CELLS).astype(int)
        vectors = 1.5 * cell * mean[:, at[:, None], at] / max(longest, 1e-9)
        y, x = (np.mgrid[:_CELLS, :_CELLS] + 0.5) * cell
        panels.append((label, np.stack([x, y, *vectors], axis=-1).reshape(-1, 4).tolist()))
    return render("mean_maps.svg.j2", panels=panels, what=what)


def main() -> None:
    """Command line."""
    parser = Parser(
        prog=program("model.evaluation.mean_maps"),
        description="Draw the mean onset→apex flow of each class.",
    )
    add = parser.add_argument
    add("--data", default=SYNTHETIC, help="synthetic, casme2:PATH, maps:PATH …")
    add("--out", type=Path, default=Path("mean-maps.svg"), help="SVG to write")
    add("--pairs", type=int, default=1000, help="synthetic ones")
    add("--seed", type=int, default=1, help="of the synthetic ones")
    add("--flow", choices=FLOWS, default="lk", help="that the maps are computed with")
    add("--cache", type=Path, default=Path("runs"), help="where results are kept")
    add_jobs(parser, 3, "compute them")
    add_face_networks(parser)
    args = parser.parse_args()
    check_workers(args.workers)
    if args.pairs < 1:
        raise InputError(f"--pairs {args.pairs}: choose 1 or more")
    make_folder(args.out.parent)
    shared = {"cache": args.cache, "workers": args.workers}
    if args.data == SYNTHETIC:
        samples = open_pairs(args.pairs, seed=args.seed, flow=args.flow, **shared)
    else:
        samples = open_samples(args.data, inputs="flows", flow=load_flow(args.flow), **shared)
    what = f"{len(samples)} samples of {samples.name}"
    args.out.write_text(draw_maps(average_maps(samples), what), encoding="utf-8")
    print(f"{what}: {args.out}")


if __name__ == "__main__":
    raise SystemExit(exit_code(main))
