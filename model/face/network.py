"""Runs one of MediaPipe's networks with LiteRT; no other module imports LiteRT."""

import threading
from pathlib import Path

import numpy as np

from model.records import ArrayF32, ImageU8


class Network:
    """A network with one input of a fixed shape. It runs in the calling thread. Any thread may call
    it; one call waits for another."""

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        # A second thread would not make these small networks faster, and would spin while it waits.
        self._interpreter = Interpreter(model_path=str(path), num_threads=1)
        self._interpreter.allocate_tensors()
        (given,) = self._interpreter.get_input_details()
        self._input: int = given["index"]
        self._outputs: list[int] = [
            each["index"] for each in self._interpreter.get_output_details()
        ]
        self.side_px = int(given["shape"][1])
        """Width and height of the input."""
        self._lock = threading.Lock()

    def __call__(self, picture: ImageU8 | ArrayF32, scale: float = 1.0) -> list[ArrayF32]:
        """The outputs for `picture` (S, S, 3) RGB; `scale` times its values are in the network's
        own range."""
        with self._lock:
            # Straight into the network's memory, which must not be held while it runs.
            given = self._interpreter.tensor(self._input)()[0]
            np.multiply(picture, np.float32(scale), out=given, dtype=np.float32)
            del given
            self._interpreter.invoke()
            return [self._interpreter.get_tensor(index) for index in self._outputs]
