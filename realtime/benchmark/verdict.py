"""What the figures say, in sentences."""

from typing import Any

from realtime.benchmark.percentiles import format_percentile

QUIET_CORES = 0.3
"""Cores' worth of processor time of other programs from which the machine was not quiet."""
STEP = ("face", "motion", "spot")
"""Stages that the pipeline thread goes through frame by frame: what limits the rate."""


def verdict(load: dict[str, Any]) -> str:
    """Of a load: whether it is kept up with, how late results are, and what holds it if not."""
    name, late, ms = load["name"], percent(load["deadline"]["share"]), load["latency_ms"]
    if not load["frames"]["due"]:
        return f"{name}: the source delivered nothing"
    times = f"p50 {format_percentile(ms, 'p50')}, p99 {format_percentile(ms, 'p99')} ms"
    if load["keeps_up"]:
        return f"keeps up with {name}: {times}, {late} late, none dropped"
    causes = ", ".join(f"{n} {cause}" for cause, n in load["frames"]["dropped"].items() if n)
    problem = f"{late} late or dropped" + (f" ({causes})" if causes else "")
    return f"does not keep up with {name}: {problem}, {times}; {bottleneck(load)}"


def bottleneck(load: dict[str, Any]) -> str:
    """What a frame costs against the time it has, and where that goes."""
    stages = load["stages_ms"]
    costs = {name: stages[name]["mean"] for name in STEP if name in stages}
    if not costs:
        return "no frame was analysed"
    dearest = sorted(costs, key=lambda name: -costs[name])
    parts = ", ".join(f"{name} {costs[name]:.1f}" for name in dearest)
    has, needs = 1e3 / load["fps"], sum(costs.values())
    # While frames wait, faces are found beside the rest.
    face = costs.get("face", 0.0)
    least = max(face, needs - face)
    if least > has:
        return f"a frame needs {least:.1f} ms on one thread and has {has:.1f}: {parts}"
    return (
        f"a frame needs {needs:.1f} ms and has {has:.1f} ({parts}), so that what is late waited "
        "behind a slow one, or for the processor"
    )


def caution(loads: list[dict[str, Any]]) -> str:
    """What speaks against the figures of `loads`; empty if nothing."""
    busiest = max(loads, key=lambda load: load["processor"]["others"])
    others = busiest["processor"]["others"]
    if others <= QUIET_CORES:
        return ""
    return (
        f"During {busiest['name']} the machine was not quiet: other programs took {others:.1f} "
        "cores' worth of processor time."
    )


def percent(share: float) -> str:
    """A share in percent, small ones with two digits."""
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"
