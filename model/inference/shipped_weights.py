"""The checkpoints that come with the program, by name.

A network's weights bear its name, those for another flow than the default the flow's besides:
`fmanet`, `fmanet-tvl1`.
"""

from pathlib import Path

WEIGHTS = Path(__file__).parents[1] / "weights"


def shipped_names() -> tuple[str, ...]:
    """All names, sorted."""
    return tuple(sorted(path.stem for path in WEIGHTS.glob("*.safetensors")))


def weights_for_flow(flow: str, name: str) -> str:
    """The name of the weights of `name` that were trained on `flow`; `name` where none bear it."""
    own = f"{name}-{flow}"
    return own if own in shipped_names() else name
