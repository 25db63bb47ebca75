"""Parts by themselves: inputs that no cache holds, every table entry named, present or not."""

from itertools import count, islice
from pathlib import Path

import numpy as np
import pytest

from model.engine import ENGINES
from model.errors import InputError
from realtime.benchmark import parts
from realtime.benchmark.gpu.timing import FEWEST
from realtime.benchmark.parts import (
    batches_of,
    engine_parts,
    flow_parts,
    run_parts,
    time_calls,
)
from realtime.benchmark.plan import parse_numbers
from realtime.benchmark.report import PARTS_FORMAT, read_report
from realtime.config import LiveConfig

SHORT_S = 0.02


@pytest.fixture(autouse=True)
def _small_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "POOL_BYTES", 2**18)


def test_every_call_gets_other_inputs_and_the_first_is_not_among_the_rest() -> None:
    seen: list[int] = []
    found = time_calls(seen.append, ((number,) for number in count()), SHORT_S)
    assert seen == list(range(len(seen)))
    assert len(seen) >= 2 + found["ms"]["n"]
    assert found["ms"]["n"] >= FEWEST
    assert found["first_ms"] >= 0


def test_a_pool_goes_round_only_after_all_of_it() -> None:
    pictures = np.arange(3 * 2 * 64 * 64, dtype=np.uint8).reshape(3, 2, 64, 64)
    whole = 2**18 // (2 * pictures[0].nbytes)
    drawn = [batch for (batch,) in islice(batches_of(2, pictures), whole + 1)]
    starts = [batch.__array_interface__["data"][0] for batch in drawn]
    assert len(set(starts)) == whole
    assert starts[whole] == starts[0]
    assert (drawn[0][0] == drawn[1][1]).all()  # the fourth is the first again


def test_a_flow_is_timed_beside_how_right_it_is() -> None:
    found = list(flow_parts(["lk", "dis"], (64,), (1, 2), SHORT_S))
    assert [(p.name, p.batch) for p in found] == [
        (name, batch) for name in ("lk", "dis") for batch in (1, 2)
    ]
    assert all(p.ms["n"] >= FEWEST and "amplitude" in p.accuracy for p in found)


def test_a_device_that_fails_is_not_timed_as_another() -> None:
    here, there = flow_parts(["lk"], (64,), (1,), SHORT_S, "cuda:99")
    assert here.ms
    assert (there.name, there.ms) == ("lk, cuda:99", {})
    assert there.absent.startswith("lk failed on cuda:99: ")


def test_every_engine_of_the_table_is_named(
    untrained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = {name: entry for name, entry in ENGINES.items() if name in ("tensorrt", "eager")}
    monkeypatch.setattr(parts, "ENGINES", fast)
    absent, eager, twice = engine_parts(str(untrained), "cpu", (1, 2), SHORT_S)
    assert "NVIDIA" in absent.absent or "CUDA" in absent.absent
    assert (eager.batch, twice.batch) == (1, 2)
    assert eager.build_s is None
    assert eager.load_s is not None
    assert "0 of 48 labels flip" in eager.accuracy


def test_what_was_measured_is_written_and_read(
    untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = {name: entry for name, entry in ENGINES.items() if name in ("tensorrt", "eager")}
    monkeypatch.setattr(parts, "ENGINES", fast)
    monkeypatch.setattr(parts, "FLOWS", ("lk",))
    config = LiveConfig(source="demo", classifier=str(untrained), device="cpu")
    run_parts(config, tmp_path, ["--out", "p"], (64,), (1,), SHORT_S)
    report = read_report(tmp_path, PARTS_FORMAT)
    names = [part["name"] for part in report["parts"]]
    assert names[0] == "lk"
    assert names[-2:] == ["untrained, tensorrt", "untrained, eager"]
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "| untrained, tensorrt | 64 | 1 | – |" in page
    table = [row for row in page.splitlines() if row.startswith("|")]
    assert len(table) == 2 + len(names)
    assert len({row.count("|") for row in table}) == 1
    with pytest.raises(InputError, match="cannot be read"):
        read_report(tmp_path / "none", PARTS_FORMAT)


@pytest.mark.parametrize("text", ["", "0", "128,", "a", "99999"])
def test_numbers_out_of_range_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="--sizes"):
        parse_numbers("--sizes", text, 32, 1024)
