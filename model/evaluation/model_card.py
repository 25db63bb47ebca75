"""Writes the model card of a checkpoint, from the checkpoint's own description.

    python -m model.evaluation.model_card fmanet                  # model/weights/fmanet.md
    python -m model.evaluation.model_card my.safetensors          # my.md beside it

Sections after M. Mitchell et al.: Model cards for model reporting, FAT* 2019.
"""

from model.cli import Parser, program
from model.errors import demand

if __name__ == "__main__":
    demand("torch")  # before the imports that need it

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from textwrap import fill

import jinja2

from model.classifiers import CLASSIFIERS
from model.classifiers.phase_inputs import PHASE_SHAPES
from model.cli import exit_code
from model.errors import InputError
from model.evaluation.report_set import is_of_this_report
from model.inference.checkpoint import Checkpoint, checkpoint_path, read_checkpoint
from model.metrics.checkpoint_scores import AMPLITUDE_FIGURES, FIRST_PHASE, NAMEABLE_PX, SCORES
from model.training.training_samples import REPORT_SEED, SYNTHETIC

TEMPLATE = Path(__file__).with_name("model_card.md.j2")
CARD_WIDTH = 100
WEAK_UNITS = 0.5
"""Below this mean average precision the card calls the action units weak."""
INPUT_WORDS = {"flows": "flow", "long_flows": "flows from the onset", "frames": "aligned frames"}
PHASE_WORDS = {
    "both": "of both phases, or of onset → apex alone",
    "onset_apex": "of both phases, but looks at onset → apex alone",
    "apex_offset": "of both phases, but looks at apex → offset alone",
}
"""What a network looks at, by `Inputs` and by `PhaseChoice`."""


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
    text = render_card(path.stem, checkpoint, numbers, path.stat().st_size)
    written.write_text(text, encoding="utf-8")
    print(f"written to {written}")


def render_card(name: str, checkpoint: Checkpoint, numbers: int, size_bytes: int) -> str:
    """The card in Markdown, for weights of `numbers` values in a file of `size_bytes`. Raises
    `InputError` if the checkpoint holds no figures, because a card would hide that."""
    if "uf1" not in checkpoint.metrics:
        raise InputError(
            f"{name} holds no figures on samples that no choice was based on: train it with "
            "synthetic pairs among --data, whose report set gives them"
        )
    module = CLASSIFIERS[checkpoint.classifier].partition(":")[0]
    network = checkpoint.network()
    metrics, recipe = checkpoint.metrics, checkpoint.recipe
    data = recipe.get("data", {})
    sets = list(data.get("sets", ())) or [SYNTHETIC]
    template = jinja2.Template(
        TEMPLATE.read_text(encoding="utf-8"),
        keep_trailing_newline=True,
        undefined=jinja2.ChainableUndefined,  # old checkpoints say less of themselves
    )
    text: str = template.render(
        name=name,
        title=(import_module(module).__doc__ or "").strip().splitlines()[0],
        module=module,
        checkpoint=checkpoint,
        taken=f"{INPUT_WORDS[network.inputs]} {PHASE_WORDS[network.phases]}",  # type: ignore[index]
        shape=PHASE_SHAPES[network.inputs],  # type: ignore[index]
        unit="grey 0 to 255"
        if network.inputs == "frames"
        else "px of that crop, head motion removed",
        numbers=numbers,
        size_bytes=size_bytes,
        recipe=recipe,
        data=data,
        sets=sets,
        synthetic=SYNTHETIC in sets,
        others=[each for each in sets if each != SYNTHETIC],
        metrics=metrics,
        reported=metrics.get("samples", 0) + metrics.get("samples_without_expression", 0),
        report_seed=REPORT_SEED,
        figures=list(_figures(checkpoint)),
        weak_units=WEAK_UNITS,
        measurable=is_of_this_report(checkpoint),
    )
    return "\n".join(map(_wrap, text.split("\n")))


def _wrap(line: str) -> str:
    """The line in lines of `CARD_WIDTH`; rows of a table and commands stay whole."""
    if line.startswith(("|", "    ")):
        return line
    indent = "  " if line.startswith("- ") else ""
    return fill(
        line,
        CARD_WIDTH,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _figures(checkpoint: Checkpoint) -> Iterator[tuple[str, str, str]]:
    """Rows of the table of figures: title, both phases, first phase alone."""
    metrics = checkpoint.metrics
    shown = {"uf1": "UF1", "uar": "UAR", "accuracy": "accuracy"}
    names = [(shown[name], name) for name in SCORES]
    names += [(f"F1, {label}", f"f1_{label}") for label in checkpoint.labels]
    weakest, *_ = AMPLITUDE_FIGURES.values()
    if weakest in metrics:  # otherwise it is the UF1 of all samples
        names.append((f"UF1, {NAMEABLE_PX:g} px and above", f"uf1_from_{NAMEABLE_PX:g}_px"))
    names += [(f"UF1, {title}", name) for title, name in AMPLITUDE_FIGURES.items()]
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

    for title, name in names:
        if name in metrics:
            yield title, cell(name), cell(FIRST_PHASE + name)


if __name__ == "__main__":
    raise SystemExit(exit_code(main))
