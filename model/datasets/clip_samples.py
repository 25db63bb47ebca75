"""Turns a data set into samples for networks, in any of the input kinds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from model.classifiers import Inputs
from model.classifiers.normalisation import strength
from model.classifiers.phase_inputs import INPUT_PX, PHASE_SHAPES, prepare_phase
from model.datasets import open_dataset
from model.datasets.cache import PhaseArrays, compute_clips
from model.datasets.class_merges import merge
from model.datasets.clips import Clip, Problem
from model.datasets.flow_maps import FlowMaps, name_maps, read_maps
from model.datasets.flows import collect_frames, compute_flows, split_data_spec
from model.datasets.megc2019 import compare_counts, is_listed
from model.errors import InputError
from model.flow import Flow
from model.flow.phase_flows import long_flows
from model.inference.samples import SampleSet
from model.labels import ACTION_UNITS
from model.parallel import Workers
from model.records import ArrayF32, FramePair

RELATIVE_STRENGTH_PX = 0.5
"""Maps without a scale are scaled to this root mean square motion in their first phase, that of a
medium micro-expression."""


@dataclass(frozen=True, slots=True)
class _ClipSample:
    clip: str
    subject: str
    label: str
    action_units: tuple[str, ...]
    phases: NDArray[np.float16]
    both_phases: bool
    apex_searched: bool = False
    """Whether the apex was not annotated and found by motion."""


def open_samples(
    spec: str,
    *,
    inputs: Inputs,
    flow: Flow,
    cache: Path,
    workers: Workers,
    classes: int = 3,
    megc2019: bool = False,
) -> SampleSet:
    """The micro-expressions of `spec` that belong to one of the `classes` after merging
    (`model.datasets.class_merges.merge`). `spec` is "casme2:PATH" for a data set of
    `model.datasets.DATASETS`, or "maps:PATH" for maps that were computed elsewhere
    (`model.datasets.flow_maps`), for which `flow` is ignored. With `megc2019`, only the clips of
    that challenge's list (`model.datasets.megc2019`).

    Clips with a damaged picture, or without a face at onset, apex or offset, are left out and
    listed in the result. Results are kept in the folder `cache`; `workers` processes compute the
    missing ones (`model.datasets.cache.compute_clips`). Action units are those of
    `model.labels.ACTION_UNITS`, NaN if a clip is not coded. Raises `InputError` for an invalid
    spec, folder or merge, if no clip is left, and for maps if the network takes frames.
    """
    name, path = split_data_spec(spec)
    wanted = merge(classes, None if name == "maps" else name)
    if name == "maps":
        if inputs != "flows":
            raise InputError(f"{spec} holds flow maps: a network on {inputs} needs the pictures")
        name, problems = name_maps(path), []
        samples = list(_map_samples(read_maps(path)))
    else:
        dataset = open_dataset(name, path).micro()
        name = dataset.name
        if megc2019:
            dataset = replace(dataset, clips=tuple(filter(is_listed, dataset)))
        problems = list(dataset.problems)
        samples = []
        compute = compute_flows if inputs == "flows" else collect_frames
        for clip, phases in compute_clips(dataset, compute, flow, cache, workers=workers):
            if isinstance(phases, Problem):
                problems.append(phases)
            else:
                samples.append(_clip_sample(clip, inputs, phases, flow))
        if not samples:
            first = f"; the first: {problems[0].reason}" if problems else ""
            raise InputError(f"no clip of {dataset.title} in {dataset.root} can be used{first}")
    classed = [(sample, wanted.find_class(sample.label)) for sample in samples]
    kept = [(sample, wanted.classes.index(own)) for sample, own in classed if own is not None]
    if not kept:
        raise InputError(f"{spec} has no clip of the classes {', '.join(wanted.classes)}")
    notes = []
    searched = sum(sample.apex_searched for sample, _ in kept)
    if searched:
        notes.append(f"{name}: the apex was found by motion in {searched} of {len(kept)} clips")
    if megc2019:
        pairs = [(sample.subject, wanted.classes[own]) for sample, own in kept]
        notes.append(compare_counts(name, pairs))
    return SampleSet(
        name=name,
        inputs=inputs,
        phases=np.stack([sample.phases for sample, _ in kept]),
        both_phases=np.array([sample.both_phases for sample, _ in kept]),
        labels=np.array([label for _, label in kept], np.int64),
        classes=wanted.classes,
        action_units=_action_units([sample.action_units for sample, _ in kept]),
        action_unit_names=ACTION_UNITS,
        amplitude_px=np.full(len(kept), np.nan, np.float32),
        subjects=tuple(f"{name}/{sample.subject}" for sample, _ in kept),
        clips=tuple(f"{name}/{sample.clip}" for sample, _ in kept),
        problems=tuple(f"{each.clip}: {each.reason}" for each in problems),
        notes=tuple(notes),
    )


def _map_samples(maps: FlowMaps) -> Iterator[_ClipSample]:
    for n, pair in enumerate(maps.flows):
        phases = prepare_phase("flows", pair)
        if maps.unit == "relative":
            strong = float(strength(torch.from_numpy(phases[:1])))
            phases *= np.float32(RELATIVE_STRENGTH_PX / max(strong, 1e-6))
        yield _ClipSample(
            maps.clips[n],
            maps.subjects[n],
            maps.labels[n],
            maps.action_units[n],
            phases.astype(np.float16),
            bool(maps.both_phases[n]),
        )


def _clip_sample(clip: Clip, inputs: Inputs, given: PhaseArrays, flow: Flow) -> _ClipSample:
    if inputs == "long_flows":
        given = long_flows(flow, FramePair(*given))
    phases = np.zeros((2, *PHASE_SHAPES[inputs], INPUT_PX, INPUT_PX), np.float16)
    for n, phase in enumerate(given):
        if phase is not None:
            phases[n] = prepare_phase(inputs, phase[None])[0]
    name = f"{clip.subject}/{clip.name}@{clip.onset}"
    both = given[1] is not None
    units, searched = clip.action_units, clip.apex is None
    return _ClipSample(name, clip.subject, clip.label, units, phases, both, searched)


def _action_units(units: Sequence[tuple[str, ...]]) -> ArrayF32:
    """Action units (N, A). A clip that lists no unit counts as not coded, even in a coded set."""
    rows = [[unit in coded if coded else np.nan for unit in ACTION_UNITS] for coded in units]
    return np.array(rows, np.float32)
