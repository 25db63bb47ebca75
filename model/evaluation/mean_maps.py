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
from model.datasets.sample_sets import open_samples
from model.errors import InputError
from model.evaluation.html import text
from model.face.network_files import add_face_networks
from model.flow import FLOWS, load_flow
from model.inference.samples import SampleSet
from model.parallel import check_workers
from model.records import ArrayF32
from model.synthetic.sample_sets import open_pairs
from model.training.data import SYNTHETIC

_SIDE, _GAP, _TITLE = 240, 24, 24  # px of a panel, between panels, above them
_CELLS = 16  # arrows along a side
_STYLE = (
    "text{font:13px system-ui,sans-serif}line{stroke:#0d9488;stroke-width:1.6;"
    "stroke-linecap:round}circle{fill:#0d9488}rect{fill:none;stroke:#94a3b8}text{fill:#64748b}"
)


def mean_maps(samples: SampleSet) -> dict[str, ArrayF32]:
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


def drawing(means: dict[str, ArrayF32], what: str) -> str:
    """An SVG file with a panel of arrows per class. The longest arrow is one and a half cells long.
    `what` says what the means are of."""
    longest = max(float(np.hypot(*mean).max()) for mean in means.values())
    parts = [
        _panel(k * (_SIDE + _GAP), label, mean / max(longest, 1e-9))
        for k, (label, mean) in enumerate(means.items())
    ]
    width = len(means) * (_SIDE + _GAP) - _GAP
    height = _TITLE + _SIDE + _TITLE
    foot = text(0, height - 6, f"mean onset→apex flow, {what}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}"><style>{_STYLE}</style>{"".join(parts)}{foot}</svg>\n'
    )


def _panel(left: float, label: str, mean: ArrayF32) -> str:
    cell = _SIDE / _CELLS
    step = mean.shape[1] / _CELLS
    at = np.floor((np.arange(_CELLS) + 0.5) * step).astype(int)
    marks = [f'<rect x="{left}" y="{_TITLE}" width="{_SIDE}" height="{_SIDE}"/>']
    for row, y in enumerate(at):
        for column, x in enumerate(at):
            u, v = 1.5 * cell * mean[:, y, x]
            x0, y0 = left + (column + 0.5) * cell, _TITLE + (row + 0.5) * cell
            marks.append(
                f'<circle cx="{x0:.1f}" cy="{y0:.1f}" r="2.2"/>'
                f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x0 + u:.1f}" y2="{y0 + v:.1f}"/>'
            )
    return text(left, _TITLE - 8, label) + "".join(marks)


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
    add("--workers", type=int, default=3, help="processes that compute them")
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
    args.out.write_text(drawing(mean_maps(samples), what), encoding="utf-8")
    print(f"{what}: {args.out}")


if __name__ == "__main__":
    raise SystemExit(exit_code(main))
