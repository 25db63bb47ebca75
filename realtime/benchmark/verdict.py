"""What the figures say, in sentences."""

from collections.abc import Mapping
from typing import Any

from realtime.benchmark.figures import STEP, step_ms
from realtime.benchmark.percentiles import NAMES, RANKS, fewest

QUIET_CORES = 0.3
"""Cores' worth of processor time of other programs from which the machine was not quiet."""


def verdict(document: dict[str, Any]) -> str:
    """Of a load: whether it is kept up with, how late results are, and what holds it if not."""
    frames, late, ms = document["frames"], document["deadline"], document["latency_ms"]
    name = document["name"]
    if not frames["due"]:
        return f"{name}: the source delivered nothing"
    times = f"p50 {shown(ms, 'p50')}, p99 {shown(ms, 'p99')} ms"
    if document["keeps_up"]:
        return f"keeps up with {name}: {times}, {percent(late['share'])} late, none dropped"
    lost = sum(frames["dropped"].values())
    problem = f"{percent(late['share'])} late or dropped"
    if lost:
        causes = ", ".join(f"{n} {cause}" for cause, n in frames["dropped"].items())
        problem += f" ({causes})"
    return f"does not keep up with {name}: {problem}, {times}; {bottleneck(document)}"


def bottleneck(document: dict[str, Any]) -> str:
    """What a frame costs against the time it has, and where that goes."""
    stages = document["stages_ms"]
    costs = {name: stages[name]["mean"] for name in STEP if name in stages}
    if not costs:
        return "no frame was analysed"
    dearest = sorted(costs, key=lambda name: -costs[name])
    parts = ", ".join(f"{name} {costs[name]:.1f}" for name in dearest)
    has, needs = 1e3 / document["fps"], step_ms(document)
    # While frames wait, faces are found beside the rest.
    face = costs.get("face", 0.0)
    least = max(face, needs - face)
    if least > has:
        return f"a frame needs {least:.1f} ms on one thread and has {has:.1f}: {parts}"
    return (
        f"a frame needs {needs:.1f} ms and has {has:.1f} ({parts}), so that what is late waited "
        "behind a slow one, or for the processor"
    )


def caution(document: dict[str, Any]) -> str:
    """What speaks against the figures; empty if nothing."""
    others = document["processor"]["others"]
    if others > QUIET_CORES:
        return (
            f"the machine was not quiet: other programs took {others:.1f} cores' worth of "
            "processor time"
        )
    return ""


def overall(documents: list[dict[str, Any]], machine: str) -> str:
    """Of all loads: the fastest rate that is kept up with at each size, and what the next needs."""
    words = []
    for size in dict.fromkeys((d["width"], d["height"]) for d in documents):
        mine = sorted(
            (d for d in documents if (d["width"], d["height"]) == size), key=lambda d: d["fps"]
        )
        kept = [d for d in mine if d["keeps_up"]]
        where = f"{size[0]}×{size[1]}"
        if kept:
            best = kept[-1]
            words.append(
                f"keeps up with {best['fps']:.4g} fps at {where} with "
                f"{_furthest(best['latency_ms'])}"
            )
        lost = next((d for d in mine if not d["keeps_up"] and d["frames"]["due"]), None)
        if lost is not None:
            rate = f"{lost['fps']:.4g} fps at {where}"
            words.append(f"does not keep up with {rate}: {bottleneck(lost)}")
    return f"On {machine}: " + ("; ".join(words) or "nothing was delivered") + "."


def shown(found: Mapping[str, Any], name: str) -> str:
    """A percentile, or `max`, of `found`, a `Tail` as plain values: "–" where there are too few
    values for it, "∞" where it is a frame that was never analysed."""
    value = found[name]
    if value is None:
        p = dict(zip(NAMES, RANKS, strict=True)).get(name, 0.0)
        return "∞" if found["n"] >= fewest(p) else "–"
    return figure(value)


def _furthest(found: Mapping[str, Any]) -> str:
    """p99, or of few values what percentile there is: "9.1 ms p99"."""
    names = [name for name in ("p99", "p95", "p50", "max") if shown(found, name) != "–"]
    return f"{shown(found, names[0])} ms {names[0]}" if names else "no result"


def figure(ms: float) -> str:
    """With as many digits as tell something."""
    return f"{ms:.2f}" if ms < 1 else f"{ms:.1f}" if ms < 100 else f"{ms:.0f}"


def percent(share: float) -> str:
    """A share in percent, small ones with two digits."""
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"
