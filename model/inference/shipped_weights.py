"""The checkpoints that come with the program, by name.

Weights are named after their network, followed by the flow unless it is the default one: `fmanet`,
`fmanet-tvl1`.
"""

from pathlib import Path

WEIGHTS = Path(__file__).parents[1] / "weights"


def shipped_names() -> tuple[str, ...]:
    """All names, sorted."""
    return tuple(sorted(path.stem for path in WEIGHTS.glob("*.safetensors")))


def weights_for_flow(flow: str, name: str) -> str:
    """The name of the weights of network `name` for `flow`; just `name` if there are none."""
    own = f"{name}-{flow}"
    return own if own in shipped_names() else name
