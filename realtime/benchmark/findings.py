"""Sentences that sum up the figures of a load."""

from typing import Any

from realtime.benchmark.percentiles import format_percentile

QUIET_CORES = 0.3
"""The machine was not quiet if other programs took more processor time than this, in cores."""
STEP = ("face", "motion", "spot")
"""The stages that the pipeline thread runs for every frame. They limit the frame rate."""


def judge_load(load: dict[str, Any]) -> str:
    """Say whether the program keeps up with a load, how late results are, and what is slow."""
    name, late, ms = load["name"], format_percent(load["deadline"]["share"]), load["latency_ms"]
    if not load["frames"]["due"]:
        return f"{name}: the source delivered nothing"
    times = f"p50 {format_percentile(ms, 'p50')}, p99 {format_percentile(ms, 'p99')} ms"
    if load["keeps_up"]:
        return f"keeps up with {name}: {times}, {late} late, none dropped"
    causes = ", ".join(f"{n} {cause}" for cause, n in load["frames"]["dropped"].items() if n)
    problem = f"{late} late or dropped" + (f" ({causes})" if causes else "")
    return f"does not keep up with {name}: {problem}, {times}; {find_bottleneck(load)}"


def describe_costs(load: dict[str, Any]) -> str:
    """Say how much time a frame needs, and for which stages."""
    costs = _costs(load)
    return f"a frame needs {sum(costs.values()):.1f} ms ({_list_costs(costs)})"


def find_bottleneck(load: dict[str, Any]) -> str:
    """Say how much time a frame needs and has, and which stages take it."""
    costs = _costs(load)
    if not costs:
        return "no frame was analysed"
    has, needs, parts = 1e3 / load["fps"], sum(costs.values()), _list_costs(costs)
    # If frames wait, the next one's face is found in parallel.
    face = costs.get("face", 0.0)
    least = max(face, needs - face)
    if least > has:
        return f"a frame needs {least:.1f} ms on one thread and has {has:.1f}: {parts}"
    return (
        f"a frame needs {needs:.1f} ms and has {has:.1f} ({parts}), so late ones waited behind a "
        "slow one, or for the processor"
    )


def _costs(load: dict[str, Any]) -> dict[str, float]:
    stages = load["stages_ms"]
    return {name: stages[name]["mean"] for name in STEP if name in stages}


def _list_costs(costs: dict[str, float]) -> str:
    return ", ".join(f"{name} {costs[name]:.1f}" for name in sorted(costs, key=lambda n: -costs[n]))


def warn_if_busy(loads: list[dict[str, Any]]) -> str:
    """Return a warning if the machine was busy with other programs during `loads`; otherwise
    empty."""
    busiest = max(loads, key=lambda load: load["processor"]["others"])
    others = busiest["processor"]["others"]
    if others <= QUIET_CORES:
        return ""
    return (
        f"During {busiest['name']} the machine was not quiet: other programs used {others:.1f} "
        "cores."
    )


def format_percent(share: float) -> str:
    """Return a share in percent; small ones with two digits."""
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"
