"""Our run of the face networks against MediaPipe's own graph, where that can be installed."""

import numpy as np
import pytest
from face_agreement import Graph, agreement
from skimage.data import astronaut

from model.records import ImageU8
from model.synthetic import SyntheticFace

pytest.importorskip("mediapipe.python.solutions.face_mesh", reason="no mediapipe with a graph here")


def noisy_portrait() -> list[ImageU8]:
    rng = np.random.default_rng(3)
    portrait = astronaut()[:300, 80:380].astype(np.int16)
    return [
        np.clip(portrait + rng.normal(0, 2, portrait.shape).round(), 0, 255).astype(np.uint8)
        for _ in range(30)
    ]


def moving_face() -> list[ImageU8]:
    face = SyntheticFace(seed=5, fps=30, size=(640, 480))
    return [face.image(k) for k in range(45)]


@pytest.mark.parametrize("frames", [noisy_portrait(), moving_face()], ids=["portrait", "demo"])
def test_landmarks_agree_and_jitter_no_more(frames: list[ImageU8]) -> None:
    with Graph() as graph:
        result = agreement(frames, graph)
    assert result.frames == len(frames)
    assert result.distance < 0.005  # of the face's width
    assert result.jitter <= result.graph_jitter * 1.02
