"""Tables, data sets, weights and JSON, given nonsense by `tests/fuzz.py`."""

import csv
import hashlib
import io
import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import layouts
import numpy as np
from fuzz_inputs import (
    apply_damage,
    apply_damage_inside,
    change_json,
    changes,
    damage,
    scalars,
    texts,
)
from hypothesis import strategies as st
from test_spotting_baseline_file import measured

from model.datasets import open_dataset
from model.datasets.cache import compute_clips
from model.datasets.delimited import read_table
from model.datasets.flow_maps import read_maps
from model.datasets.summary import summarise
from model.errors import InputError
from model.flow import load_flow
from model.inference.checkpoint import load_network
from model.inference.shipped_weights import WEIGHTS
from model.records import FlowPair
from realtime.spotting.baseline_file import load_baseline, to_json
from realtime.spotting.spotting_scores import read_intervals, score


def cases(corpus: Path) -> dict[str, Any]:
    """Tables of text and of spreadsheets, data sets, maps, weights, JSON that other commands
    wrote."""
    baseline = to_json(measured())
    events = table(
        ["onset_s", "apex_s", "offset_s", "kind", "label", "amplitude_px"],
        [[n, n + 0.2, n + 0.4, "micro", "positive", 1.5] for n in range(4)],
    )
    heads = [
        "onset_s",
        "apex_s",
        "offset_s",
        "kind",
        "label",
        "p_a",
        "p_b",
        "subject",
        "file",
        "clip",
    ]
    for name in layouts.WRITERS:
        if not (corpus / name).exists():
            layouts.WRITERS[name](corpus / name, layouts.usual(name))
    maps = corpus / "maps"
    maps.mkdir(exist_ok=True)
    flow = np.random.default_rng(0).normal(size=(2, 16, 16)).astype(np.float32)
    np.save(maps / "a.npy", flow)
    np.save(maps / "b.npy", flow)
    np.save(maps / "c.npy", flow)
    layouts.save(maps / "d.png", np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3))
    listed = table(
        ["file", "subject", "clip", "label", "channels"],
        [[f, n, "x", "disgust", "rgb"] for n, f in enumerate(["a.npy", "b.npy", "c.npy"])],
    )
    weights = (WEIGHTS / "ststnet.safetensors").read_bytes()
    said = read_metadata(weights)["checkpoint"]

    def harm(content: bytes, done: Any) -> bytes:
        inside = len(done) % 2 == 0
        return (apply_damage_inside if inside else apply_damage)(content, done)

    def text_table(drawn: Any, scratch: Path) -> None:
        which, done, rows = drawn
        path = scratch / "table.csv"
        content = {"events": events}.get(which) or table(*rows)
        path.write_bytes(apply_damage(content.encode("utf-8", "replace"), done))
        read_table(path)
        with suppress(InputError):
            found = read_intervals(path)
            score([(found, found)], "micro")

    def json_file(drawn: Any, scratch: Path) -> None:
        done, bytes_done = drawn
        path = scratch / "said.json"
        path.write_bytes(apply_damage(change_json(baseline, done).encode(), bytes_done))
        load_baseline(path)

    def data_set(drawn: Any, scratch: Path) -> None:
        name, done, cells = drawn
        root = scratch / name
        shutil.copytree(corpus / name, root)
        for book in root.rglob("*.xlsx"):
            if cells:
                spoil(book, cells)
            book.write_bytes(harm(book.read_bytes(), done))
        found = open_dataset(name, root)
        summarise(found)

    def map_files(drawn: Any, scratch: Path) -> None:
        which, done, table_done = drawn
        for path in maps.iterdir():
            content = path.read_bytes()
            (scratch / path.name).write_bytes(
                harm(content, done) if path.name == which else content
            )
        content = listed.replace("a.npy", which)
        (scratch / "maps.csv").write_bytes(apply_damage(content.encode(), table_done))
        read_maps(scratch)

    def kept(drawn: Any, scratch: Path) -> None:
        found = open_dataset("smic", corpus / "smic")
        cache = scratch / "cache"
        list(compute_clips(found, _computed, load_flow("lk"), cache, workers=1))
        for path in sorted(cache.rglob("*.npz"))[:2]:
            path.write_bytes(harm(path.read_bytes(), drawn))
        list(compute_clips(found, _computed, load_flow("lk"), cache, workers=1))

    def checkpoint(drawn: Any, scratch: Path) -> None:
        done, bytes_done = drawn
        path = scratch / "weights.safetensors"
        description = change_json(said, done)
        content = replace_metadata(
            weights,
            checkpoint=description,
            checkpoint_sha256=hashlib.sha256(description.encode()).hexdigest(),
        )
        path.write_bytes(apply_damage(content, bytes_done))
        load_network(path)

    harmed = damage | st.just([])
    rows = st.tuples(
        st.lists(st.sampled_from(heads) | texts, min_size=1, max_size=10),
        st.lists(st.lists(scalars, max_size=10), max_size=5),
    )
    cell = st.tuples(st.integers(0, 2), st.integers(1, 12), st.integers(1, 12), scalars)
    return {
        "text": (
            st.tuples(st.sampled_from(["events", "rows"]), harmed, rows),
            text_table,
        ),
        "json": (st.tuples(changes, harmed), json_file),
        "data set": (
            st.tuples(st.sampled_from(list(layouts.WRITERS)), harmed, st.lists(cell, max_size=3)),
            data_set,
        ),
        "maps": (
            st.tuples(st.sampled_from([p.name for p in sorted(maps.iterdir())]), harmed, harmed),
            map_files,
        ),
        "kept": (damage, kept),
        "checkpoint": (st.tuples(changes | st.just([]), harmed), checkpoint),
    }


def _computed(clip: Any, flow: Any) -> FlowPair:
    return FlowPair(np.zeros((2, 4, 4), np.float32), None)


def table(columns: list[str], rows: list[list[Any]]) -> str:
    """CSV."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerows([columns, *rows])
    return out.getvalue()


def spoil(path: Path, cells: list[tuple[int, int, int, Any]]) -> None:
    """Put other values into cells of a workbook, merged with those below; what it cannot hold is
    left out."""
    from openpyxl import load_workbook

    book = load_workbook(path)
    for sheet, row, column, value in cells:
        there = book.worksheets[sheet % len(book.worksheets)]
        with suppress(Exception):  # no value of a cell
            there.cell(row, column, value)
            if value is True:
                there.merge_cells(
                    start_row=row, end_row=row + 90, start_column=column, end_column=column
                )
    with suppress(Exception):
        book.save(path)


def read_metadata(content: bytes) -> dict[str, str]:
    """What a safetensors file says of itself."""
    length = int.from_bytes(content[:8], "little")
    said: dict[str, str] = json.loads(content[8 : 8 + length])["__metadata__"]
    return said


def replace_metadata(content: bytes, **said: str) -> bytes:
    """A safetensors file with other words in its metadata."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] |= said
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + length :]
