"""Compares every flow with known motion of faces: which one measures a micro-expression best, and
how long does it take?

    python -m model.evaluation.flow_comparison --out runs/flow
    python -m model.evaluation.flow_comparison --device cuda --flows lk,"lk, tensors"

Each synthetic face is drawn twice, the second time with its skin displaced by a known field: a bump
as wide as an action unit, or a smooth motion of the whole face. Both pictures get sensor noise and
compression. The flows of `FLOWS`, their tensor versions, and the flows of OpenCV and scikit-image
all run on the same pictures.
"""

from model.cli import ListAction, Parser, program
from model.errors import demand

if __name__ == "__main__":
    demand("torch")  # before the imports that need it

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from tqdm import tqdm

from model.cli import exit_code, new_folder
from model.errors import InputError
from model.face.aligned_crop import CROP_PX
from model.flow import FLOWS, TENSOR_FLOWS, Flow, load_flow
from model.flow.gpu.gpu_flow import DeviceFlow
from model.machine import choose_device, machine
from model.records import ArrayF32, ImageU8
from model.synthetic.exchanged_maps import farneback
from model.synthetic.still_faces import FaceRanges, Still, smooth_noise

BUMP_AMPLITUDES_PX = (0.1, 0.2, 0.5, 1.0, 2.0, 4.0)
"""Greatest displacement, px of the 128 px crop."""
BUMP_SIGMA_PX = (6.0, 12.0)
"""How wide an action unit's motion is, px of the 128 px crop."""
_SMOOTH_GRAIN_PX = 40
_FIRST_SEED = 2000  # faces that no parameter was chosen on

PairSolver = Callable[[ImageU8, ImageU8], ArrayF32]
"""Two grey pictures (S, S) → flow (2, S, S) px."""


@dataclass(frozen=True)
class FlowCondition:
    """How the two pictures of a pair are made."""

    field: str
    """`bump` or `smooth`."""
    amplitude_px: float
    noise_levels: float
    """Standard deviation of the sensor noise, grey levels."""
    jpeg_quality: int | None


DISTURBANCES: tuple[tuple[float, int | None], ...] = (
    (1.0, None),
    (2.0, None),
    (4.0, None),
    (1.0, 75),
    (1.0, 40),
)
"""Noise in grey levels, and JPEG quality."""

CONDITIONS = tuple(
    FlowCondition(field, amplitude, noise, quality)
    for field in ("bump", "smooth")
    for amplitude in BUMP_AMPLITUDES_PX
    for noise, quality in DISTURBANCES
)


@dataclass(frozen=True)
class FlowRow:
    """The figures of one flow under one condition; means over faces."""

    flow: str
    size_px: int
    condition: FlowCondition
    error: float
    """Endpoint error as a share of the error of zero flow."""
    slope: float
    """Slope of the flow against the truth: 1 if amplitudes are right, 0.5 if half is lost."""
    correlation: float
    ms: float
    """Median time of a pair."""


def load_solvers(names: list[str], device: str = "cpu") -> dict[str, PairSolver]:
    """The flows of `FLOWS`, the tensor flows on `device`, and the peers, by name, as functions of
    one pair."""

    def own(flow: Flow) -> PairSolver:
        return lambda first, second: flow(first[None], second[None])[0]

    known: dict[str, PairSolver] = {name: own(load_flow(name)) for name in FLOWS}
    for name in TENSOR_FLOWS:
        known[f"{name}, tensors"] = own(DeviceFlow(load_flow(name), device, falls_back=False))
    known |= _peers()
    unknown = [name for name in names if name not in known]
    if unknown:
        choices = ", ".join(f'"{name}"' for name in known)
        raise InputError(f"--flows {unknown[0]}: choose from {choices}")
    return {name: known[name] for name in names or known}


def _peers() -> dict[str, PairSolver]:
    medium = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # type: ignore[attr-defined]

    def preset(first: ImageU8, second: ImageU8) -> ArrayF32:
        return np.asarray(medium.calc(first, second, None).transpose(2, 0, 1), np.float32)

    def skimage(method: str) -> PairSolver:
        def solve(first: ImageU8, second: ImageU8) -> ArrayF32:
            from skimage import registration  # takes a second to import, and only these need it

            # scikit-image uses the order (v, u) and the range 0 to 1.
            solved = getattr(registration, method)
            return solved(first / 255, second / 255, dtype=np.float32)[::-1]  # type: ignore[no-any-return]

        return solve

    return {
        "opencv farneback": partial(farneback, window=15),
        "opencv dis medium": preset,
        "skimage ilk": skimage("optical_flow_ilk"),
        "skimage tvl1": skimage("optical_flow_tvl1"),
    }


def compare_flows(flows: dict[str, PairSolver], *, size_px: int, faces: int) -> Iterator[FlowRow]:
    """A row per flow and condition, in px of a `size_px` crop."""
    for condition in CONDITIONS:
        pairs = [draw_pair(condition, size_px, _FIRST_SEED + face) for face in range(faces)]
        for name, solve in flows.items():
            yield _row(name, solve, condition, size_px, pairs)


def draw_pair(
    condition: FlowCondition, size_px: int, seed: int
) -> tuple[ImageU8, ImageU8, ArrayF32]:
    """Two pictures (S, S) of one face, and the true flow (2, S, S) px between them."""
    rng = np.random.default_rng(seed)
    still = Still(rng, FaceRanges())
    truth = condition.amplitude_px * _field(condition.field, rng)
    size = (size_px, size_px)
    pictures = []
    for displacement in (np.zeros_like(truth), truth):
        drawn = cv2.resize(still.draw(displacement), size, interpolation=cv2.INTER_CUBIC)
        noisy = drawn + rng.normal(0, condition.noise_levels, drawn.shape)
        picture = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
        if condition.jpeg_quality is not None:
            quality = [cv2.IMWRITE_JPEG_QUALITY, condition.jpeg_quality]
            _, packed = cv2.imencode(".jpg", picture, quality)
            picture = np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE), np.uint8)
        pictures.append(picture)
    scale = size_px / CROP_PX
    large = [cv2.resize(part, size) * scale for part in truth]
    return pictures[0], pictures[1], np.asarray(large, np.float32)


def _field(kind: str, rng: np.random.Generator) -> ArrayF32:
    """(2, 128, 128), greatest length 1."""
    if kind == "smooth":
        field = np.stack([smooth_noise(rng, _SMOOTH_GRAIN_PX) for _ in range(2)])
    else:
        x0, y0 = rng.uniform(0.25, 0.75, 2) * CROP_PX
        y, x = np.mgrid[:CROP_PX, :CROP_PX]
        away = (x - x0) ** 2 + (y - y0) ** 2
        size = np.exp(-away / (2 * rng.uniform(*BUMP_SIGMA_PX) ** 2))
        angle = rng.uniform(0, 2 * np.pi)
        field = np.stack([np.cos(angle) * size, np.sin(angle) * size])
    return np.asarray(field / np.hypot(*field).max(), np.float32)


def _row(
    name: str,
    solve: PairSolver,
    condition: FlowCondition,
    size_px: int,
    pairs: list[tuple[ImageU8, ImageU8, ArrayF32]],
) -> FlowRow:
    solve(*pairs[0][:2])  # warm up
    errors, slopes, correlations, times = [], [], [], []
    for first, second, truth in pairs:
        start = time.perf_counter()
        found = solve(first, second)
        times.append(1e3 * (time.perf_counter() - start))
        errors.append(np.hypot(*(found - truth)).mean() / np.hypot(*truth).mean())
        both = float((found * truth).sum())
        power = float((truth * truth).sum())
        slopes.append(both / power)
        correlations.append(both / max(np.sqrt(power * float((found * found).sum())), 1e-12))
    return FlowRow(
        name,
        size_px,
        condition,
        error=float(np.mean(errors)),
        slope=float(np.mean(slopes)),
        correlation=float(np.mean(correlations)),
        ms=float(np.median(times)),
    )


def format_tables(rows: list[FlowRow]) -> str:
    """Markdown, per size: for each flow, the error by amplitude over all other conditions, slope
    and cost; then the error by disturbance over all amplitudes."""
    amplitudes = [f"{amplitude:g} px" for amplitude in BUMP_AMPLITUDES_PX]
    disturbances = [
        f"noise {noise:g}" + ("" if quality is None else f", JPEG {quality}")
        for noise, quality in DISTURBANCES
    ]
    lines = []
    for size in sorted({row.size_px for row in rows}):
        first = [["flow", *amplitudes, "slope", "correlation", f"ms at {size}²"]]
        second = [["error with", *disturbances]]
        for name in dict.fromkeys(row.flow for row in rows):
            mine = [row for row in rows if (row.flow, row.size_px) == (name, size)]
            errors = [
                _mean(row.error for row in mine if row.condition.amplitude_px == amplitude)
                for amplitude in BUMP_AMPLITUDES_PX
            ]
            # Below half a pixel noise affects the slope as much as the method does.
            clear = [row for row in mine if row.condition.amplitude_px >= 0.5]
            median_ms = f"{np.median([row.ms for row in mine]):.1f}"
            slope, correlation = _mean(r.slope for r in clear), _mean(r.correlation for r in clear)
            first.append([name, *errors, slope, correlation, median_ms])
            errors = [
                _mean(r.error for r in mine if _disturbance(r) == each) for each in DISTURBANCES
            ]
            second.append([name, *errors])
        lines += [*_markdown(first), "", *_markdown(second), ""]
    return "\n".join(lines)


def _disturbance(row: FlowRow) -> tuple[float, int | None]:
    return row.condition.noise_levels, row.condition.jpeg_quality


def _markdown(rows: list[list[str]]) -> list[str]:
    lines = [f"| {' | '.join(cells)} |" for cells in rows]
    return [lines[0], f"|{'---|' * len(rows[0])}", *lines[1:]]


def _mean(values: Iterator[float]) -> str:
    return f"{np.mean(list(values)):.2f}"


def main() -> None:
    """Command line."""
    parser = Parser(
        prog=program("model.evaluation.flow_comparison"),
        description="Measure every flow against known motion of faces.",
    )
    parser.add_argument(
        "--flows", action=ListAction, default=[], help="with commas (default: all, and the peers)"
    )
    parser.add_argument(
        "--sizes", action=ListAction, convert=int, default=[128, 224], help="crop sides, px"
    )
    parser.add_argument(
        "--device", default="cpu", help="of the flows on tensors: auto, cpu, cuda or cuda:N"
    )
    parser.add_argument("--faces", type=int, default=8, help="faces per condition")
    parser.add_argument("--out", type=Path, help="folder for flow.md")
    args = parser.parse_args()
    if args.faces < 1 or min(args.sizes) < 32:
        raise InputError("--faces has to be 1 or more and --sizes 32 or more")
    if args.out is not None:
        new_folder(args.out)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    device = choose_device(args.device)
    flows = load_solvers(args.flows, device)
    rows: list[FlowRow] = []
    with tqdm(total=len(args.sizes) * len(CONDITIONS) * len(flows), unit="row") as bar:
        for size in args.sizes:
            for row in compare_flows(flows, size_px=size, faces=args.faces):
                rows.append(row)
                bar.update()
    where = f"tensors on {device}, one thread, {machine()}"
    text = format_tables(rows) + f"\n{args.faces} faces per condition, {where}\n"
    print(text)
    if args.out is not None:
        (args.out / "flow.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(exit_code(main))
