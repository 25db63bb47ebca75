"""The model card of a checkpoint, written from what the checkpoint says of itself.

    python -m model.evaluation.model_card fmanet                  # model/weights/fmanet.md
    python -m model.evaluation.model_card my.safetensors          # my.md beside it

Sections after M. Mitchell et al.: Model cards for model reporting, FAT* 2019.
"""

from model.cli import Parser, program
from model.errors import demand

if __name__ == "__main__":
    demand("torch")  # before the imports that need it

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from model.classifiers import CLASSIFIERS, Inputs, Phases
from model.classifiers.phase_inputs import PHASE_SHAPES
from model.errors import InputError, exit_code
from model.inference.checkpoint import Checkpoint, checkpoint_path, read_checkpoint
from model.metrics.checkpoint_scores import AMPLITUDES_PX, FIRST_PHASE, NAMEABLE_PX, SCORES
from model.training.data import FIRST_REPORT_SEED, SYNTHETIC

WEAK_UNITS = 0.5
"""Below this mean average precision the card calls the action units weak."""


def main() -> None:
    """Command line."""
    parser = Parser(
        prog=program("model.evaluation.model_card"),
        description="Write the model card of a checkpoint beside it.",
    )
    parser.add_argument("name", help="a shipped name or a checkpoint's file")
    path = checkpoint_path(parser.parse_args().name)
    checkpoint, weights = read_checkpoint(path)
    numbers = sum(tensor.numel() for tensor in weights.values())
    written = path.with_suffix(".md")
    text = card(path.stem, checkpoint, numbers, path.stat().st_size)
    written.write_text(text, encoding="utf-8")
    print(f"written to {written}")


def card(name: str, checkpoint: Checkpoint, numbers: int, size_bytes: int) -> str:
    """The card in Markdown, for weights of `numbers` values in a file of `size_bytes`. Raises
    `InputError` if the checkpoint holds no figures, because a card would hide that."""
    if "uf1" not in checkpoint.metrics:
        raise InputError(
            f"{name} holds no figures of samples that chose nothing: train it with synthetic "
            "pairs among --data, whose report set gives them"
        )
    sections = {
        "Data": _data(checkpoint),
        "Recipe": _recipe(checkpoint),
        "Figures": _figures(checkpoint),
        "Confidence": _confidence(checkpoint),
        "Limits": _limits(checkpoint),
        "Intended use": _use(),
    }
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections.items())
    return f"# {name}\n\n{_head(checkpoint, numbers, size_bytes)}\n\n{body}\n"


def _head(checkpoint: Checkpoint, numbers: int, size_bytes: int) -> str:
    module = CLASSIFIERS[checkpoint.classifier].partition(":")[0]
    title = (import_module(module).__doc__ or "").strip().splitlines()[0]
    network = checkpoint.network()
    inputs: Inputs = network.inputs  # type: ignore[assignment]
    phases: Phases = network.phases  # type: ignore[assignment]
    inner = ", ".join(map(str, PHASE_SHAPES[inputs]))
    kind = {"flows": "flow", "long_flows": "flows from the onset", "frames": "aligned frames"}
    looked_at = {
        "both": "of both phases, or of onset → apex alone",
        "onset_apex": "of both phases, but looks at onset → apex alone",
        "apex_offset": "of both phases, but looks at apex → offset alone",
    }
    taken = f"{kind[inputs]} {looked_at[phases]}"
    unit = "grey 0 to 255" if inputs == "frames" else "px of that crop, head motion removed"
    parameters = ", ".join(f"{key} {value:g}" for key, value in checkpoint.flow_parameters.items())
    flow = f"`{checkpoint.flow}`" + (f", {parameters}" if parameters else "")
    options = ", ".join(f"{key} = {value}" for key, value in checkpoint.options.items())
    rows = [
        ("answers", f"{', '.join(checkpoint.labels)}, or no clear expression; beside them "
         f"{len(checkpoint.action_units)} action units"),
        ("takes", f"{taken}: (N, {inner}, S, S) of a square crop with the geometry of "
         f"`model/face/crop.py`, {unit}"),
        ("flow", f"{flow}; another one is refused"),
        ("size", f"{numbers:,} numbers, {size_bytes / 1e3:,.0f} kB; sees maps of "
         f"{checkpoint.input_px} px, in px of a {checkpoint.reference_px} px crop"),
        *([("built with", options)] if options else []),
    ]  # fmt: skip
    return (
        f"{title} `{module.replace('.', '/')}.py` says what is from the paper and what is ours; no "
        f"figure of the paper is claimed for it.\n\n{_seen(checkpoint)}\n\n"
        + _table(("", ""), rows)
    )


def _seen(checkpoint: Checkpoint) -> str:
    others = [name for name in _sets(checkpoint) if name != SYNTHETIC]
    if others:
        return (
            f"Trained on {', '.join(_sets(checkpoint))}. The licences of {', '.join(others)} bind "
            "these weights too."
        )
    return (
        "**Synthetic only**: trained and measured on made-up expressions of one portrait; it has "
        "seen no recorded micro-expression."
    )


def _sets(checkpoint: Checkpoint) -> list[str]:
    return list(checkpoint.recipe.get("data", {}).get("sets", ())) or [SYNTHETIC]


def _data(checkpoint: Checkpoint) -> str:
    data: Mapping[str, Any] = checkpoint.recipe.get("data", {})
    metrics = checkpoint.metrics
    lines = []
    if SYNTHETIC in _sets(checkpoint):
        reported = metrics.get("samples", 0) + metrics.get("samples_without_expression", 0)
        seed = data.get("seed", 0)
        watched = (
            "subjects held out of the data sets"
            if checkpoint.recipe.get("keep") == "best"
            else f"{reported:,.0f} of set {seed + 1}"
        )
        lines.append(
            f"{data.get('pairs', 0):,} synthetic pairs of set {seed} to train on, {watched} to "
            f"watch and to calibrate confidence on, {reported:,.0f} of set "
            f"{FIRST_REPORT_SEED} for the figures below, with faces and nuisances that training "
            f"does not have; view `{data.get('view', 'crop')}`, "
            f"{100 * data.get('none_share', 0):.0f} % of the pairs without an expression.\n\n"
            "A pair is the portrait that scikit-image ships, its face reshaped, its resting "
            "expression, texture, light, camera noise and compression varied; action units of "
            "`model/synthetic/action_units.toml`, often one-sided; onset, apex and offset picked "
            "off; head motion, blinks and other facial motion riding along "
            "(`model/synthetic/nuisance.py` has all ranges). View `crop` is the flow and the head "
            "motion removal that run live, `maps` the flow maps that the field exchanges, `mixed` "
            "both."
        )
    others = [name for name in _sets(checkpoint) if name != SYNTHETIC]
    if others:
        lines.append(f"Clips of {', '.join(others)}, {data.get('classes', 3)} classes.")
    return "\n\n".join(lines)


def _recipe(checkpoint: Checkpoint) -> str:
    recipe = checkpoint.recipe
    vary: Mapping[str, Any] = recipe.get("variation", {})
    chosen = (
        "the one with the best UF1 on validation samples kept"
        if recipe.get("keep") == "best"
        else "fixed beforehand"
    )
    loss = "focal loss" if recipe.get("loss") == "focal" else "cross-entropy"
    lines = [f"    {checkpoint.command}"] if checkpoint.command else []
    lines.append(
        f"Seed {recipe.get('seed')}; {recipe.get('epochs')} epochs, {chosen}; AdamW, learning rate "
        f"up to {recipe.get('learning_rate'):g}, weight decay {recipe.get('weight_decay'):g}; "
        f"batches of {recipe.get('batch')}; {loss}, label smoothing "
        f"{recipe.get('label_smoothing'):g}; samples without expression trained towards equal "
        f"probabilities. Second phase withheld {_share(vary, 'drop_phase')} of the time, time "
        f"reversed {_share(vary, 'reverse')}, mirrored {_share(vary, 'mirror')}. Another number of "
        "threads rounds differently."
    )
    if "init" in recipe:
        began = recipe["init"].get("data", {}).get("sets", [])
        lines.append(f"Started from weights that were trained on {', '.join(began)}.")
    return "\n\n".join(lines)


def _share(values: Mapping[str, Any], name: str) -> str:
    return f"{100 * values.get(name, 0):.0f} %"


def _figures(checkpoint: Checkpoint) -> str:
    metrics = checkpoint.metrics
    shown = {"uf1": "UF1", "uar": "UAR", "accuracy": "accuracy"}
    names = [(shown[name], name) for name in SCORES]
    names += [(f"F1, {label}", f"f1_{label}") for label in checkpoint.labels]
    below = [f"uf1_{low:g}_to_{high:g}_px" for low, high in AMPLITUDES_PX if high <= NAMEABLE_PX]
    if any(name in metrics for name in below):  # otherwise it is the UF1 of all samples
        names.append((f"UF1, {NAMEABLE_PX:g} px and above", f"uf1_from_{NAMEABLE_PX:g}_px"))
    names += [
        (f"UF1, {low:g}–{high:g} px", f"uf1_{low:g}_to_{high:g}_px") for low, high in AMPLITUDES_PX
    ]
    names += [
        ("mean confidence", "confidence"),
        ("calibration error", "calibration_error"),
        ("mean average precision of action units", "action_unit_map"),
    ]

    def cell(name: str) -> str:
        if name not in metrics:
            return "–"
        value = f"{metrics[name]:.3f}"
        if f"{name}_low" in metrics:
            value += f" ({metrics[f'{name}_low']:.3f} to {metrics[f'{name}_high']:.3f})"
        return value

    rows = [
        (title, cell(name), cell(FIRST_PHASE + name)) for title, name in names if name in metrics
    ]
    counted = (
        f"{metrics['samples']:.0f} expressions of {metrics['subjects']:.0f} faces"
        if "samples" in metrics and "subjects" in metrics
        else "samples"
    )
    text = (
        f"On {counted} that chose nothing; intervals are 95 %, over faces. px are the greatest "
        "displacement at the apex, in the 128 px crop. `python -m model.evaluate` measures them "
        "again.\n\n" + _table(("", "both phases", "onset → apex alone"), rows)
    )
    if metrics.get("action_unit_map", 1.0) < WEAK_UNITS:
        text += (
            f"\n\nThe action unit head is weak: its mean average precision over "
            f"{len(checkpoint.action_units)} units, most of them rare, is low. Read its units as "
            "hints."
        )
    return text


def _confidence(checkpoint: Checkpoint) -> str:
    metrics = checkpoint.metrics
    text = (
        f"Temperature {checkpoint.temperature:.3f}, least confidence "
        f"{checkpoint.least_confidence:.3f}, fitted on validation samples "
        "(`model/inference/confidence.py`). Below the least confidence the answer is "
        '"no clear expression"'
    )
    if checkpoint.least_confidence and "refused_without_expression" in metrics:
        text += (
            f": {100 * metrics['refused']:.0f} % of the expressions above, "
            f"{100 * metrics['refused_without_expression']:.0f} % of the samples without one"
        )
    return text + "."


def _limits(checkpoint: Checkpoint) -> str:
    lines = []
    if _sets(checkpoint) == [SYNTHETIC]:
        lines = [
            "One person's features, however much they are reshaped; motion from a hand-made "
            "catalogue, not from recordings. How it does on real micro-expressions is unknown.",
            "Confidence is calibrated on synthetic expressions, not on real faces: calibrate it on "
            "your own clips before you read it as a probability.",
        ]
    lines.append(
        '"No clear expression" refuses what the network is unsure of, not all that is none: '
        "speech, blinks and head motion may still get a name."
    )
    if {"negative", "positive"} <= set(checkpoint.labels):
        lines.append(
            "A dimpler (AU14) or upper lip raiser (AU10), negative here, is sometimes taken for a "
            "lip corner puller (AU12), positive."
        )
    return "\n".join(f"- {line}" for line in lines)


def _use() -> str:
    return (
        "Demonstration and research on how micro-expressions move, with the consent of who is "
        "filmed.\n\n**Ruled out:** hiring, education, lie detection, and any other decision about "
        "a person. A facial movement is not proof of a feeling."
    )


def _table(head: tuple[str, ...], rows: list[Any]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    raise SystemExit(exit_code(main))
