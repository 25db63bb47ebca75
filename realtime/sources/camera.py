"""A camera with true capture times, which survives an unplugged cable.

The capture time is the driver's, if the driver uses this machine's monotonic clock; it does not
include the wait for the reading thread. Otherwise it is the time of receipt. `info.clock` says
which.

If the camera is unplugged, stalls or delivers nothing usable, the status says "reconnecting", and
the camera is reopened until it works again. The index then jumps by the number of frames that the
camera would have delivered.
"""

from collections.abc import Callable, Generator
from itertools import pairwise

from model.errors import SourceError
from model.records import Frame
from realtime.sources import Clock, SourceInfo, SourceOptions
from realtime.sources.camera_opening import JPEG_CODES, CaptureDevice, open_opencv
from realtime.sources.driver_drops import GapCounter
from realtime.sources.frame_source import FrameSource
from realtime.sources.picture_decoding import decode_picture
from realtime.stream.clock import monotonic_s

CAMERA_FPS = 60.0
"""Asked for if no rate is given, because at 30 fps the shortest expression, 40 ms, is one frame. A
camera without this rate uses its nearest."""

PROBE_FRAMES = 5
"""Frames read when a camera is opened, and not delivered. They show whether it works, and which
clock it uses."""
MAX_PROBE_S = 5.0
"""A camera that needs longer for `PROBE_FRAMES` is refused."""
MAX_PROBE_AGE_S = 0.5
"""A driver's time counts as capture time if it is at most this long before receipt."""
MAX_AGE_S = 5.0
"""During a run an older time is refused. The reading thread may be late, but not by so much."""
STALL_S = 1.5
"""After this long without a usable picture, the camera counts as lost. This is less than V4L2's
read timeout, so one timeout is enough."""
MAX_FAILURES = 5
"""After this many reads in a row that fail at once, the camera counts as lost."""

CAMERA_AWAY = "camera away"
DAMAGED_PICTURE = "damaged picture"
IMPLAUSIBLE = "implausible driver time"
DROPPED_BY_DRIVER = "dropped by the driver"

OpenDevice = Callable[[str, int, int, float], CaptureDevice]
"""Called with address, width, height and rate."""


class Camera(FrameSource):
    """A camera as a source. Only the thread that opens and iterates touches the device."""

    def __init__(
        self,
        spec: str,
        options: SourceOptions,
        *,
        open_device: OpenDevice = open_opencv,
        now: Callable[[], float] = monotonic_s,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        """Open the camera and check that it delivers; raises `SourceError` if it does not.

        `now` is the clock; `wait(seconds)` waits for an interrupt and returns whether it came.
        Both are arguments for tests.
        """
        super().__init__(options.rotate)
        self._spec = spec
        self._options = options
        self._gaps = GapCounter()
        self._open_device = open_device
        self._now = now
        self._wait = wait or self._stop.wait
        self._device: CaptureDevice | None
        self._device, self._info = self._open(spec)
        self._address = self._device.address

    def _release(self) -> None:
        if self._device is not None:
            self._device.release()
            self._device = None

    def _run(self) -> Generator[Frame | None, None, None]:
        last_seen_s = last_good_s = self._now()
        failures = 0
        while not self._stop.is_set():
            device = self._device
            if device is None:
                if not self._retry(self._reopen, self._wait):
                    return
                gap_s = self._now() - last_seen_s
                self._gate.drop(CAMERA_AWAY, max(1, round(gap_s * self._expected_fps())))
                self._gate.set_state("open", f"camera back after {gap_s:.1f} s")
                last_seen_s = last_good_s = self._now()
                failures = 0
                self._gaps.reset()
                continue
            grabbed = device.grab()
            received_s = self._now()
            present = device.present()
            if grabbed and present:
                failures = 0
                last_seen_s = received_s
                frame = self._take(device, received_s)
                yield frame
                if frame is not None:
                    last_good_s = self._now()  # however long the frame was kept there
                    continue
            else:
                failures += 1
            stalled = received_s - last_good_s > STALL_S
            if stalled or failures == MAX_FAILURES or not present:
                self._lose(device)

    def _take(self, device: CaptureDevice, received_s: float) -> Frame | None:
        """Return the grabbed picture as a frame; if it or its time is unusable, count it, return
        None."""
        time_s = received_s
        if self._info.clock == "driver":
            time_s = device.driver_s()
            if not 0.0 <= received_s - time_s <= MAX_AGE_S:
                self._gate.refuse(IMPLAUSIBLE)
                return None
            # Count gaps before decoding, because a damaged picture is no gap.
            lost = self._gaps.push(time_s)
            if lost:
                self._gate.drop(DROPPED_BY_DRIVER, lost)
        picture = device.retrieve()
        packed = picture if isinstance(picture, bytes) else None
        image = decode_picture(picture) if isinstance(picture, bytes) else picture
        if image is None:
            self._gate.refuse(DAMAGED_PICTURE)
            return None
        return self._gate.admit(image, time_s, received_s, packed)

    def _lose(self, device: CaptureDevice) -> None:
        gone = "stopped delivering" if device.present() else "was unplugged"
        self._gate.set_state(
            "reconnecting", f"{device.name} {gone}: reconnecting; nothing is recorded"
        )
        self._address = device.address
        device.release()
        self._device = None

    def _reopen(self) -> None:
        self._device, self._info = self._open(self._address)

    def _expected_fps(self) -> float:
        return self._gate.status().fps_measured or self._info.fps_nominal or CAMERA_FPS

    def _open(self, address: str) -> tuple[CaptureDevice, SourceInfo]:
        options = self._options
        fps_asked = options.fps or CAMERA_FPS
        device = self._open_device(address, options.width, options.height, fps_asked)
        try:
            clock = self._probe(device)
        except SourceError:
            device.release()
            raise
        picture = device.retrieve()
        jpeg = isinstance(picture, bytes)
        if isinstance(picture, bytes) and decode_picture(picture) is None and not options.packed:
            # Perhaps this camera never writes a JPEG's end. OpenCV shows its pictures anyway.
            device.convert()
            jpeg = False
        mode = device.mode
        gives = [f"{mode.width}×{mode.height}"]
        if mode.fps is not None:
            gives.append(f"at {mode.fps:.4g} fps")
        if mode.fourcc:
            gives.append(mode.fourcc)
        info = SourceInfo(
            spec=self._spec,
            kind="camera",
            description=f"{device.name}: asked {options.width}×{options.height} at "
            f"{fps_asked:.4g} fps MJPG, gives {' '.join(gives)}; times from the {clock}",
            live=True,
            clock=clock,
            width=mode.width,
            height=mode.height,
            fps_asked=fps_asked,
            fps_nominal=mode.fps,
            lossless=mode.fourcc not in (*JPEG_CODES, "H264", "HEVC", ""),
            jpeg=jpeg,
        )
        return device, info

    def _probe(self, device: CaptureDevice) -> Clock:
        """Read some pictures; return the clock that their times are from. Raises `SourceError` if
        none comes."""
        ages_s: list[float] = []
        times_s: list[float] = []
        failures = 0
        patience_s = self._now() + MAX_PROBE_S
        while len(times_s) < PROBE_FRAMES:
            if self._stop.is_set():
                raise SourceError(f"{device.name}: interrupted while it was opened")
            if device.grab():
                received_s = self._now()
                times_s.append(device.driver_s())
                ages_s.append(received_s - times_s[-1])
                continue
            failures += 1
            if failures == MAX_FAILURES or self._now() > patience_s:
                raise SourceError(
                    f"{device.name} opens but delivers no picture: another program may use it, or "
                    "its cable or hub cannot carry it; close other programs, or try another port"
                )
        increasing = all(a < b for a, b in pairwise(times_s))
        in_time = all(0.0 <= age_s <= MAX_PROBE_AGE_S for age_s in ages_s)
        return "driver" if increasing and in_time else "receipt"
