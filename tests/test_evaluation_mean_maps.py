"""Mean maps of classes."""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from model.errors import InputError
from model.evaluation.mean_maps import average_maps, draw_maps
from model.inference.samples import SampleSet
from model.synthetic.stored_samples import open_pairs


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> SampleSet:
    cache = tmp_path_factory.mktemp("pairs")
    return open_pairs(60, seed=5, flow="lk", cache=cache, workers=1, chunk=60)


def test_classes_move_where_the_literature_says(samples: SampleSet) -> None:
    up = {label: -mean[1] for label, mean in average_maps(samples).items()}
    brows, mouth = np.s_[12:22, 14:50], np.s_[42:54, 14:50]
    assert up["surprise"][brows].mean() > 0 > up["negative"][brows].mean()
    assert up["positive"][mouth].mean() > max(up[c][mouth].mean() for c in ("negative", "surprise"))


def test_the_drawing_has_a_panel_for_each_class(samples: SampleSet, tmp_path: Path) -> None:
    root = ElementTree.fromstring(draw_maps(average_maps(samples), "60 samples of <synthetic>"))
    words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert words == [*samples.classes, "mean onset→apex flow, 60 samples of <synthetic>"]
    assert len(list(root.iter("{http://www.w3.org/2000/svg}rect"))) == len(samples.classes)


def test_a_class_without_samples_is_named(samples: SampleSet) -> None:
    with pytest.raises(InputError, match="no sample of the class surprise"):
        average_maps(samples.take(np.flatnonzero(samples.labels != 2)))


def test_strong_samples_weigh_no_more(samples: SampleSet) -> None:
    stronger = (
        samples.phases * np.where(np.arange(len(samples)) % 2, 4, 1)[:, None, None, None, None]
    )
    means = average_maps(replace(samples, phases=stronger.astype(np.float16)))
    for label, mean in average_maps(samples).items():
        assert np.corrcoef(mean.ravel(), means[label].ravel())[0, 1] > 0.97
