"""A piece of footage from memory, to and fro."""

from itertools import islice
from pathlib import Path

import pytest
from fakes import picture, write_clip

from model.errors import SourceError
from realtime.sources import SourceOptions, open_source
from realtime.sources.demo_face import Demo
from realtime.sources.loop import PIECE_S


def test_it_goes_to_and_fro_without_a_cut_at_any_rate(tmp_path: Path) -> None:
    levels = [40, 90, 140, 190]
    clip = write_clip(
        tmp_path / "clip.mkv",
        [picture(level) for level in levels],
        [0, 40, 80, 120],
        codec="ffv1",
        pix_fmt="bgr0",
    )
    source = open_source(f"loop:{clip}", SourceOptions(fps=200, seconds=0.05))
    frames = list(source)
    assert [int(f.image[-1, -1, 0]) for f in frames] == [*levels, 140, 90, *levels]
    assert [f.stamp.time_s for f in frames] == pytest.approx([n / 200 for n in range(10)])
    assert source.status().state == "ended"
    assert source.info.clock == "synthetic"
    source.close()


def test_of_the_demo_it_shows_the_first_micro_expression() -> None:
    options = SourceOptions(width=160, height=120, fps=10, seed=7)
    demo = Demo("demo", options)
    apex_s = next(e.apex_s for e in demo.truth(30) if e.kind == "micro")
    loop = open_source("loop", options)
    looped = [f.image for f in islice(loop, round(PIECE_S * 10))]
    start = round(apex_s * 10) - len(looped) // 2
    assert start > 0
    wanted = [f.image for f in islice(demo, start, start + len(looped))]
    assert all((a == b).all() for a, b in zip(looped, wanted, strict=True))


def test_what_has_no_piece_to_loop_is_refused(tmp_path: Path) -> None:
    one = write_clip(tmp_path / "one.mkv", [picture(90)], [0])
    with pytest.raises(SourceError, match="fewer than two frames"):
        open_source(f"loop:{one}")
    with pytest.raises(SourceError, match="is live"):
        open_source("loop:browser")
