"""How far our landmarks lie from those of MediaPipe's own graph, and how much both jitter.

python tests/face_agreement.py VIDEO…     prints a table, of the portrait and of each video

Needs mediapipe 0.10.21, whose class FaceMesh runs the graph (Python 3.11 and 3.12).
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np

from model.cli import exit_code
from model.face.aligner import FaceAligner
from model.records import ArrayF32, Frame, ImageU8, Stamp
from realtime.sources import open_source

FRAMES = 150
"""At most, of each video."""


class Graph:
    """MediaPipe's graph for one face, followed from picture to picture."""

    def __init__(self) -> None:
        from mediapipe.python.solutions.face_mesh import FaceMesh

        self._mesh: Any = FaceMesh(max_num_faces=1, refine_landmarks=False)

    def __enter__(self) -> "Graph":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._mesh.close()

    def find(self, image: ImageU8) -> ArrayF32 | None:
        """(468, 2) px of the face in `image`, or None."""
        faces = self._mesh.process(image).multi_face_landmarks
        if not faces:
            return None
        height, width = image.shape[:2]
        points = [(point.x * width, point.y * height) for point in faces[0].landmark]
        return np.array(points, np.float32)


@dataclass(frozen=True)
class Agreement:
    """Of one recording; lengths as shares of the face's width."""

    frames: int
    """In which both found a face."""
    only_ours: int
    only_graph: int
    distance: float
    """Mean over points and frames."""
    jitter: float
    """Ours: mean second difference in time of a point."""
    graph_jitter: float
    ms: float
    """Median time of ours where both found the face, alignment included…"""
    graph_ms: float
    """…and of the graph."""


def agreement(frames: Sequence[ImageU8], graph: Graph) -> Agreement:
    """Both on the same `frames`, in turn."""
    aligner = FaceAligner()
    aligner.warm_up()
    ours, theirs, only = [], [], [0, 0]
    ms: list[tuple[float, float]] = []
    for index, image in enumerate(frames):
        start_s = time.perf_counter()
        face = aligner.align(Frame(Stamp(index, index / 30), image, 0.0))
        middle_s = time.perf_counter()
        other = graph.find(image)
        end_s = time.perf_counter()
        if face is not None and other is not None:
            ours.append(face.landmarks_px)
            theirs.append(other)
            ms.append(((middle_s - start_s) * 1e3, (end_s - middle_s) * 1e3))
        elif face is not None or other is not None:
            only[face is None] += 1
    a, b = np.array(ours), np.array(theirs)
    width = float(np.median(np.ptp(b[..., 0], axis=1)))
    median_ms, graph_ms = np.median(ms, axis=0)
    return Agreement(
        frames=len(a),
        only_ours=only[0],
        only_graph=only[1],
        distance=float(np.linalg.norm(a - b, axis=2).mean()) / width,
        jitter=_jitter(a) / width,
        graph_jitter=_jitter(b) / width,
        ms=float(median_ms),
        graph_ms=float(graph_ms),
    )


def _jitter(points: ArrayF32) -> float:
    return float(np.linalg.norm(np.diff(points, n=2, axis=0), axis=2).mean())


def main() -> None:
    """Print the table."""
    from skimage.data import astronaut

    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    still = np.kron(astronaut()[:300, 80:380], np.ones((2, 2, 1))).astype(np.int16)
    portrait = [
        np.clip(still + rng.normal(0, 3, still.shape).round(), 0, 255).astype(np.uint8)
        for _ in range(60)
    ]
    recordings = {"portrait, at rest, with noise": portrait}
    for path in map(Path, sys.argv[1:]):
        source = open_source(str(path))
        recordings[path.name] = [frame.image for frame in islice(source, FRAMES)]
        source.close()
    print(
        "| recording | frames | found by one alone: ours, graph | distance, % of face width | "
        "jitter, %: ours, graph | ms: ours, graph |\n|---|---|---|---|---|---|"
    )
    for name, frames in recordings.items():
        with Graph() as graph:
            row = agreement(frames, graph)
        print(
            f"| {name} | {row.frames} | {row.only_ours}, {row.only_graph} | "
            f"{100 * row.distance:.2f} | {100 * row.jitter:.2f}, {100 * row.graph_jitter:.2f} | "
            f"{row.ms:.1f}, {row.graph_ms:.1f} |"
        )


if __name__ == "__main__":
    sys.exit(exit_code(main))
