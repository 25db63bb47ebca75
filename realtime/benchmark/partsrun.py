"""Running the parts one after the other, and what is left of it."""

import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from tqdm import tqdm

from model.cli import new_folder
from model.flow import FLOWS
from model.machine import choose_device
from realtime.benchmark.facts import facts
from realtime.benchmark.parts import (
    Part,
    engine_parts,
    flow_parts,
    one_thread,
    peers,
    whole_part,
)
from realtime.benchmark.partsreport import PAGE, line, write_parts
from realtime.config import LiveConfig


def run_parts(
    config: LiveConfig,
    out: Path,
    command: Sequence[str],
    sizes_px: Sequence[int],
    batches: Sequence[int],
    seconds: float,
    against: Sequence[str],
) -> list[Part]:
    """Time every flow, those of the libraries `against`, every engine on `config.device`, and both
    together; a line for each, and the report in the folder `out`."""
    theirs = peers(against)
    new_folder(out)
    known = facts(config, ["parts", *command])
    device = choose_device(config.device)
    one_thread()
    found: list[Part] = []
    every = chain(
        flow_parts([*FLOWS, *theirs], sizes_px, batches, seconds, device),
        engine_parts(config.classifier, device, batches, seconds),
        (whole_part(config, device, seconds) for _ in range(1)),  # not before its turn
    )
    with tqdm(file=sys.stderr, bar_format="{desc}{n} parts, {elapsed}", leave=False) as bar:
        for part in every:
            found.append(part)
            bar.write(line(part), file=sys.stdout)
            bar.update()
    write_parts(out, found, known)
    print(f"report in {out / PAGE}")
    return found
