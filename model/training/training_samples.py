"""The samples that a run trains on: synthetic pairs, data sets, or both."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.classifiers import Inputs, inputs_of
from model.datasets.clip_samples import open_samples
from model.datasets.clip_table import name_table
from model.datasets.flow_maps import name_maps
from model.datasets.megc2019 import PUBLISHED
from model.errors import InputError
from model.flow import load_flow
from model.inference.samples import SampleSet, join_samples
from model.labels import CLASSES
from model.parallel import Workers, check_workers
from model.synthetic.sample_variation import GENERATOR, View, World
from model.synthetic.scanned_face import SkinMotion
from model.synthetic.stored_samples import open_pairs
from model.training.leakage import find_face_source

SYNTHETIC = "synthetic"
FIRST_REPORT_SEED = 1000
"""Synthetic sets from this seed on are only for reports: no choice may be based on them."""
REPORT_SEED = 2000
"""The set that reports are made on. Earlier ones, from 1000 on, have guided the design."""


@dataclass(frozen=True)
class Sources:
    """Where samples come from, and how many."""

    specs: tuple[str, ...] = (SYNTHETIC,)
    """"synthetic", or "NAME:PATH" as `model.datasets.clip_samples.open_samples` takes it."""
    classes: int = 3
    megc2019: bool = False
    """Whether to take only the clips of MEGC 2019's composite."""
    pairs: int = 40000
    """Synthetic pairs to train on."""
    validation_pairs: int = 3000
    """Synthetic pairs to validate and calibrate on; as many are for the report."""
    view: View = "mixed"
    """View of the synthetic pairs: "crop", "maps" or "mixed"."""
    none_share: float = 0.15
    """Share of the synthetic pairs without expression."""
    seed: int = 7
    """Seed of the synthetic training pairs; the validation pairs use the next seed."""

    def __post_init__(self) -> None:
        names = [spec for spec in self.specs if spec == SYNTHETIC or ":" in spec]
        if not self.specs or len(names) < len(self.specs) or len(set(names)) < len(names):
            given = ",".join(self.specs)
            raise InputError(
                f"--data {given!r}: give synthetic, NAME:PATH, or several of them with commas, "
                "each once"
            )
        shown = [find_face_source(name) for name in self.data_sets]
        for name, whose in zip(self.data_sets, shown, strict=True):
            if name != whose and shown.count(whose) > 1:
                raise InputError(f"{name} shows the faces of {whose}: give one of the two")
        others = [name for name in self.data_sets if name not in PUBLISHED]
        if self.megc2019 and (others or not self.data_sets or self.classes != len(CLASSES)):
            raise InputError(
                f"--megc2019 is for {', '.join(PUBLISHED)} in {len(CLASSES)} classes, got "
                f"{','.join(map(_name, self.specs))} in {self.classes}"
            )
        if self.synthetic and self.classes != len(CLASSES):
            raise InputError(
                f"synthetic pairs have {len(CLASSES)} classes: leave out --classes "
                f"{self.classes}, or synthetic"
            )
        if self.synthetic and (self.pairs < 2 or self.validation_pairs < 1):
            raise InputError(
                f"--pairs has to be 2 or more and --validation-pairs 1 or more, got {self.pairs} "
                f"and {self.validation_pairs}"
            )
        if not 0 <= self.none_share < 1:
            raise InputError(f"--none-share has to be from 0 to below 1, got {self.none_share:g}")
        if not 0 <= self.seed < FIRST_REPORT_SEED - 1:
            raise InputError(
                f"--seed has to be from 0 to {FIRST_REPORT_SEED - 2}, got {self.seed}: higher "
                "seeds are for reports"
            )

    @property
    def synthetic(self) -> bool:
        return SYNTHETIC in self.specs

    @property
    def data_sets(self) -> tuple[str, ...]:
        """Names of the data sets, without synthetic pairs. Maps are named after their folder, clips
        of a table after that."""
        return tuple(map(_name, (spec for spec in self.specs if spec != SYNTHETIC)))

    def summary(self) -> dict[str, Any]:
        """The sources for the recipe: names, without paths of this machine."""
        summary: dict[str, Any] = {"sets": [*map(_name, self.specs)], "classes": self.classes}
        if self.megc2019:
            summary["megc2019"] = True
        if self.synthetic:
            summary |= {
                name: getattr(self, name) for name in ("pairs", "view", "none_share", "seed")
            }
            summary["generator"] = GENERATOR
        return summary


@dataclass(frozen=True)
class Opener:
    """Opens samples in the form that one network takes."""

    sources: Sources
    classifier: str
    flow: str
    cache: Path
    """Folder that keeps everything drawn or computed."""
    workers: Workers

    def __post_init__(self) -> None:
        check_workers(self.workers)

    @property
    def inputs(self) -> Inputs:
        return inputs_of(self.classifier)

    def training_pairs(self) -> SampleSet:
        return self._pairs(self.sources.pairs, self.sources.seed, "training")

    def validation_pairs(self) -> SampleSet:
        return self._pairs(self.sources.validation_pairs, self.sources.seed + 1, "training")

    def report_pairs(self, motion: SkinMotion | None = None) -> SampleSet:
        """Pairs with nuisances that training does not have; for measuring only. `motion` as in
        `open_pairs`."""
        return self._pairs(self.sources.validation_pairs, REPORT_SEED, "held_out", motion)

    def clips(self) -> SampleSet | None:
        """All named data sets, joined; None if only synthetic pairs are named."""
        sets: Sequence[SampleSet] = [
            open_samples(
                spec,
                inputs=self.inputs,
                flow=load_flow(self.flow),
                cache=self.cache / "clips",
                workers=self.workers,
                classes=self.sources.classes,
                megc2019=self.sources.megc2019,
            )
            for spec in self.sources.specs
            if spec != SYNTHETIC
        ]
        if len({one.name for one in sets}) < len(sets):
            raise InputError(f"--data names {', '.join(one.name for one in sets)}: each once")
        return join_samples(sets) if sets else None

    def _pairs(
        self, count: int, seed: int, world: World, motion: SkinMotion | None = None
    ) -> SampleSet:
        return open_pairs(
            count,
            seed=seed,
            flow=self.flow,
            cache=self.cache / "pairs",
            workers=self.workers,
            view=self.sources.view,
            world=world,
            none_share=self.sources.none_share,
            inputs=self.inputs,
            motion=motion,
        )


def _name(spec: str) -> str:
    name, _, path = spec.partition(":")
    if name == "csv":
        return name_table(Path(path))
    return name_maps(Path(path)) if name == "maps" else name
