"""The last seconds of a series of vectors, smoothed in time at any rate."""

import numpy as np

from model.records import ArrayF64, Stamp

_REACH = 7**0.5  # where the biweight kernel ends, in its own standard deviations


class History:
    """Time-stamped vectors, oldest first, smoothed by a bell (biweight) kernel over time.

    The newest values use only the past and change as later ones come. Values older than 2.7
    standard deviations of the kernel are final. At low rates there is little smoothing.
    """

    def __init__(self, width: int, keep_s: float, smoothing_s: float) -> None:
        self._keep_s = keep_s
        self._sigma_s = smoothing_s
        self._start = self._end = 0
        self._index = np.empty(256, np.int64)
        self._time_s = np.empty(256)
        self._raw = np.empty((256, width))
        self._smooth = np.empty((256, width))

    def __len__(self) -> int:
        return self._end - self._start

    @property
    def times_s(self) -> ArrayF64:
        """(n,) float64, increasing. A view, valid until the next push."""
        return self._time_s[self._start : self._end]

    @property
    def values(self) -> ArrayF64:
        """(n, width) float64, smoothed. A view, valid until the next push."""
        return self._smooth[self._start : self._end]

    def stamp(self, position: int) -> Stamp:
        """Return the stamp of the entry at `position`; negative positions count from the newest."""
        row = position + (self._end if position < 0 else self._start)
        return Stamp(int(self._index[row]), float(self._time_s[row]))

    def since(self, time_s: float) -> int:
        """Return the position of the first entry at or after `time_s`."""
        return int(self.times_s.searchsorted(time_s))

    def push(self, stamp: Stamp, value: ArrayF64) -> None:
        """Append `value`, (width,). Its stamp must be later than all before."""
        self._make_room(stamp.time_s)
        row = self._end
        self._index[row], self._time_s[row], self._raw[row] = stamp.index, stamp.time_s, value
        self._end += 1
        reach = _REACH * self._sigma_s
        times = self._time_s[self._start : self._end]
        since_s = stamp.time_s - 2 * reach, stamp.time_s - reach
        source, target = (self._start + times.searchsorted(since_s)).tolist()
        apart = self._time_s[target : self._end, None] - self._time_s[source : self._end]
        apart /= reach
        weights = np.maximum(1 - apart * apart, 0)
        weights *= weights
        weighted = weights @ self._raw[source : self._end]
        np.divide(
            weighted,
            np.add.reduce(weights, axis=1, keepdims=True),
            out=self._smooth[target : self._end],
        )

    def clear(self) -> None:
        """Forget everything."""
        self._start = self._end = 0

    def _make_room(self, time_s: float) -> None:
        if self._end < len(self._time_s):
            return
        self._start += self.since(time_s - self._keep_s)
        kept = len(self)
        capacity = len(self._time_s) * (2 if kept > len(self._time_s) // 2 else 1)
        for name in ("_index", "_time_s", "_raw", "_smooth"):
            old = getattr(self, name)
            new = np.empty((capacity, *old.shape[1:]), old.dtype)
            new[:kept] = old[self._start : self._end]
            setattr(self, name, new)
        self._start, self._end = 0, kept
