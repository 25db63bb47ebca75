"""Films of what the spotter claims in recordings, for people to judge by eye.

Each claimed micro-expression becomes a film: as it was beside magnified, eight times slower. So
does, for each, a stretch of the same recording without a claim; a recording that is full of claims
has fewer of these. The films are numbered at random: a judge cannot know which are claims.
"""

import csv
import io
import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from calibrate.spotting.footage import RecordedFootage, interval_of
from calibrate.spotting.motion import MotionCache, Motions, spot
from model.cli import new_folder
from model.errors import InputError
from model.files import write_whole
from model.records import Frame, Stamp, Window
from realtime.results.clips import CONTEXT_S, span_s
from realtime.results.replay import open_replay
from realtime.results.replay_film import encode_replay
from realtime.sources import open_source
from realtime.spotting.spotter import SpotterConfig

MAGNIFIED = 8.0
"""How many times as large the motion is in the films."""
FILMS = ("film", "recording", "claimed", "onset_s", "apex_s", "offset_s")
"""Columns of `films.csv`, which says what is what."""
ANSWERS = ("film", "judge", "face_moved")
"""Columns of `answers.csv`, for a judge to fill in."""

_TRIES = 100


@dataclass(frozen=True, slots=True)
class Film:
    """A stretch of a recording that is shown to judges."""

    number: int
    recording: str
    window: Window
    claimed: bool


def write_claims(
    recordings: Sequence[str], folder: Path, cache: MotionCache, seed: int
) -> tuple[int, int]:
    """Write films and both tables, for their owner's eyes alone, into `folder`, which must not
    exist or be empty. Returns how many films show a claimed micro-expression, and how many none.

    `seed` chooses the stretches without a claim, and the order. A stretch in which the face is lost
    has no film. Raises `InputError` for a recording that cannot be read, and if none has a claim.
    """
    new_folder(folder)
    recordings = tuple(dict.fromkeys(recordings))
    rng = random.Random(seed)
    films: list[Film] = []
    for recording in tqdm(recordings, "spotting", disable=None):
        motions = cache.get(RecordedFootage(recording, Path()))
        claims = [
            decision.update.window
            for decision in spot(motions, SpotterConfig())
            if decision.update.state == "closed" and decision.update.window.kind == "micro"
        ]
        films += [Film(0, recording, window, True) for window in claims]
        films += [
            Film(0, recording, window, False) for window in quiet_windows(motions, claims, rng)
        ]
    if not films:
        raise InputError("no micro-expression is claimed in these recordings: nothing to judge")
    rng.shuffle(films)
    films = [replace(film, number=number) for number, film in enumerate(films, 1)]
    for recording in tqdm(recordings, "films", disable=None):
        with closing(open_source(recording)) as source:
            for film, clip in _cut(source, [f for f in films if f.recording == recording]):
                try:
                    encoded = encode_replay(open_replay(clip, film.window), MAGNIFIED)
                except InputError as error:
                    print(f"{recording}, {film.window.onset.time_s:.2f} s has no film: {error}")
                    films.remove(film)
                else:
                    write_whole(folder / f"{film.number:03d}.mp4", encoded, private=True)
    _write_tables(films, folder)
    claimed = sum(film.claimed for film in films)
    return claimed, len(films) - claimed


def quiet_windows(
    motions: Motions, claims: Sequence[Window], rng: random.Random
) -> Iterator[Window]:
    """A stretch for each of the `claims`, of its length, that shows a face and meets no claim; none
    if a hundred places at random do not."""
    start_s, end_s = float(motions.time_s[0]), float(motions.time_s[-1])
    taken = [span_s(window) for window in claims]
    for claim in claims:
        length_s = interval_of(claim).offset_s - claim.onset.time_s
        for _ in range(_TRIES):
            onset_s = rng.uniform(start_s, max(start_s, end_s - length_s))
            low, high = onset_s - CONTEXT_S, onset_s + length_s + CONTEXT_S
            inside = (motions.time_s >= low) & (motions.time_s <= high)
            if (motions.track[inside] < 0).any() or any(a < high and low < b for a, b in taken):
                continue
            stamps = [_stamp(motions, onset_s + share * length_s) for share in (0, 0.5, 1)]
            taken.append((low, high))
            yield Window(stamps[0], stamps[1], stamps[2], claim.score)
            break


def _stamp(motions: Motions, time_s: float) -> Stamp:
    nearest = int(abs(motions.time_s - time_s).argmin())
    return Stamp(int(motions.index[nearest]), float(motions.time_s[nearest]))


def _cut(frames: Iterable[Frame], films: Sequence[Film]) -> Iterator[tuple[Film, list[Frame]]]:
    """The frames of each film, as soon as its last has come."""
    clips: dict[int, list[Frame]] = {film.number: [] for film in films}
    waiting = list(films)
    for frame in frames:
        for film in list(waiting):
            low, high = span_s(film.window)
            if low <= frame.stamp.time_s <= high:
                clips[film.number].append(frame)
            elif frame.stamp.time_s > high:
                waiting.remove(film)
                yield film, clips.pop(film.number)
    yield from ((film, clips[film.number]) for film in waiting)


def _write_tables(films: Sequence[Film], folder: Path) -> None:
    whole = []
    for film in films:
        at = interval_of(film.window)
        times = [f"{time_s:.3f}" for time_s in (at.onset_s, at.apex_s, at.offset_s)]
        claimed = "yes" if film.claimed else "no"
        whole.append([f"{film.number:03d}", film.recording, claimed, *times])
    _write_table(folder / "films.csv", [FILMS, *whole])
    blank = [[f"{film.number:03d}", "", ""] for film in films]
    _write_table(folder / "answers.csv", [ANSWERS, *blank])


def _write_table(path: Path, rows: Iterable[Sequence[str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    write_whole(path, text.getvalue().encode(), private=True)
