"""Recordings of CUDA graphs, as far as no GPU is needed."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest
import torch

from model.flow.gpu.cuda_graph import record_graph


def test_recordings_wait_for_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """CUDA refuses to wait for a device, as a recording begins with, while another is made."""
    made: list[str] = []
    first_is_in, others_wait = threading.Event(), threading.Event()

    @contextmanager
    def graph(_: object, stream: str, **options: str) -> Iterator[None]:
        assert options == {"capture_error_mode": "thread_local"}
        made.append(f"begin {stream}")
        yield
        made.append(f"end {stream}")

    monkeypatch.setattr(torch.cuda, "CUDAGraph", object)
    monkeypatch.setattr(torch.cuda, "device", nullcontext)
    monkeypatch.setattr(torch.cuda, "graph", graph)

    def record(stream: str) -> None:
        with record_graph(stream, "cuda:0"):  # type: ignore[arg-type]
            first_is_in.set()
            others_wait.wait()

    threads = [threading.Thread(target=record, args=(stream,)) for stream in "abc"]
    for thread in threads:
        thread.start()
    first_is_in.wait()
    others_wait.set()
    for thread in threads:
        thread.join()
    assert [each.partition(" ")[0] for each in made] == ["begin", "end"] * 3
    assert {each.partition(" ")[2] for each in made} == set("abc")


def test_a_recording_that_fails_lets_the_next_one_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "CUDAGraph", object)
    monkeypatch.setattr(torch.cuda, "device", nullcontext)
    monkeypatch.setattr(torch.cuda, "graph", lambda *_, **__: nullcontext())
    stream: torch.cuda.Stream = None  # type: ignore[assignment]
    with pytest.raises(RuntimeError, match="capturing"), record_graph(stream, "cuda:0"):
        raise RuntimeError("operation not permitted when stream is capturing")
    with record_graph(stream, "cuda:0"):
        pass
