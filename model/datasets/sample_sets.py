"""A data set as samples for networks, in any of the input kinds."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from model.classifiers import Inputs
from model.classifiers.normalisation import strength
from model.classifiers.phase_inputs import INPUT_PX, PHASE_SHAPES, prepare_phase
from model.datasets import open_dataset
from model.datasets.cache import compute_clips
from model.datasets.class_merges import merge
from model.datasets.clips import Problem
from model.datasets.flows import frames_of, open_flow_pairs, split_spec
from model.datasets.pairs import FlowPairSet
from model.errors import InputError
from model.flow import Flow
from model.flow.long_term import long_flows
from model.inference.samples import SampleSet
from model.labels import ACTION_UNITS
from model.records import ArrayF32, FramePair

RELATIVE_STRENGTH_PX = 0.5
"""Maps without a scale are scaled to this root mean square motion in their first phase, that of a
medium micro-expression."""


def open_samples(
    spec: str,
    *,
    inputs: Inputs,
    flow: Flow,
    cache: Path,
    workers: int | None = None,
    classes: int = 3,
) -> SampleSet:
    """The micro-expressions that `spec` names ("casme2:PATH", "maps:PATH"; see
    `model.datasets.flows.open_flow_pairs`) that belong to one of the `classes` after merging (see
    `model.datasets.class_merges.merge`).

    Results computed from pictures are kept in the folder `cache`; missing ones are computed by
    `workers` processes. Action units are those of `model.labels.ACTION_UNITS`, NaN for a clip
    without coding. Raises `InputError` for an invalid spec, folder or merge, if no clip is left,
    and for maps if the network takes frames.
    """
    name, path = split_spec(spec)
    if inputs == "flows":
        given = open_flow_pairs(spec, flow, cache, workers=workers)
        phases = _prepared_flows(given)
        clips, labels, both = given.clips, given.labels, given.both_phases
        subjects, units, name = given.subjects, given.action_units, given.name
        left_out = list(given.left_out)
    elif name == "maps":
        raise InputError(f"{spec} holds flow maps: a network on {inputs} needs the pictures")
    else:
        dataset = open_dataset(name, path).micro()
        usable, found, left_out = [], [], list(dataset.left_out)
        for clip, content in compute_clips(dataset, frames_of, flow, cache, workers=workers):
            if isinstance(content, Problem):
                left_out.append(content)
            else:
                first = np.asarray(content["onset_apex"], np.float32)
                second = content.get("apex_offset")
                frames = FramePair(first, None if second is None else second.astype(np.float32))
                found.append(_prepared_frames(inputs, frames, flow))
                usable.append((clip, second is not None))
        if not usable:
            raise InputError(f"no clip of {dataset.title} in {dataset.root} shows a face")
        phases = np.stack(found)
        both = np.array([known for _, known in usable])
        clips = tuple(f"{clip.subject}/{clip.name}@{clip.onset}" for clip, _ in usable)
        labels, subjects, units = zip(
            *[(clip.label, clip.subject, clip.action_units) for clip, _ in usable], strict=True
        )
    wanted = merge(classes, None if spec.startswith("maps:") else name)
    classed = [wanted.of(label) for label in labels]
    kept = [i for i, label in enumerate(classed) if label is not None]
    if not kept:
        raise InputError(f"{spec} has no clip of the classes {', '.join(wanted.classes)}")
    return SampleSet(
        name=name,
        inputs=inputs,
        phases=phases[kept],
        both_phases=both[kept],
        labels=np.array([wanted.classes.index(str(classed[i])) for i in kept], np.int64),
        classes=wanted.classes,
        action_units=_coded([units[i] for i in kept]),
        action_unit_names=ACTION_UNITS,
        amplitude_px=np.full(len(kept), np.nan, np.float32),
        subjects=tuple(f"{name}/{subjects[i]}" for i in kept),
        clips=tuple(f"{name}/{clips[i]}" for i in kept),
        left_out=tuple(f"{each.clip}: {each.reason}" for each in left_out),
    )


def _prepared_flows(pairs: FlowPairSet) -> NDArray[np.float16]:
    phases = np.empty((len(pairs), 2, 2, INPUT_PX, INPUT_PX), np.float16)
    for n, pair in enumerate(pairs.flows):
        maps = prepare_phase("flows", pair)
        if pairs.unit == "relative":
            strong = float(strength(torch.from_numpy(maps[:1])))
            maps = maps * np.float32(RELATIVE_STRENGTH_PX / max(strong, 1e-6))
        phases[n] = maps
    return phases


def _prepared_frames(inputs: Inputs, frames: FramePair, flow: Flow) -> NDArray[np.float16]:
    first, second = frames.onset_apex, frames.apex_offset
    if inputs == "long_flows":
        first, second = long_flows(flow, frames)
    phases = np.zeros((2, *PHASE_SHAPES[inputs], INPUT_PX, INPUT_PX), np.float16)
    for n, phase in enumerate((first, second)):
        if phase is not None:
            phases[n] = prepare_phase(inputs, phase[None])[0]
    return phases


def _coded(units: Sequence[tuple[str, ...]]) -> ArrayF32:
    """Action units (N, A). A clip that lists no unit counts as not coded, even in a coded set."""
    rows = [[unit in coded if coded else np.nan for unit in ACTION_UNITS] for coded in units]
    return np.array(rows, np.float32)
