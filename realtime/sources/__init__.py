"""Sources of frames: what `--source` accepts, and what every source promises.

`open_source` opens a source; one thread iterates it, once. To add a source, write a module with a
class that takes `(spec, options)`, and add a line to `SOURCES`; `name:rest` then selects it.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from model.errors import SourceError
from model.lazy_loading import load_entry
from model.records import Frame

SOURCES: dict[str, str] = {
    "auto": "realtime.sources.auto:open_auto",
    "camera": "realtime.sources.camera:Camera",
    "file": "realtime.sources.video_file:VideoFile",
    "folder": "realtime.sources.image_folder:ImageFolder",
    "session": "realtime.sessions.session_source:SessionSource",
    "network": "realtime.sources.network_stream:open_network",
    "demo": "realtime.sources.demo_face:Demo",
    "browser": "realtime.sources.browser:BrowserSource",
    "loop": "realtime.sources.loop:Loop",
}
"""Kind of source to the function that opens it, called with `(spec, options)`. A table of plug-ins,
loaded by name: a source may live in a room above this one, as `session` does."""

ASKED_RATE = ("auto", "camera", "folder", "demo", "browser", "loop")
"""Kinds that can be asked for a rate, or need one stated."""

SEEKABLE = ("file", "folder", "session")
"""Kinds of recordings that can be played from any moment on."""

CHOICES = (
    "auto, a camera (0, 1, /dev/video0), a video file, a folder of images with --fps, a recorded "
    "session's folder, an rtsp:// or http:// address, demo, browser, or loop:SOURCE (a piece of it "
    "from memory, back and forth)"
)
"""What a spec may be, in words, for messages and help."""

Clock = Literal["driver", "receipt", "file", "synthetic", "browser"]
"""Where capture times come from: the camera's driver; this program, right after a frame arrives;
the file (or the rate given for a folder); the generator of the demo; the viewer's browser."""

CLOCK_WORDS: dict[str, str] = {
    "driver": "from the camera's driver",
    "receipt": "taken when a frame reached the program",
    "browser": "from the browser",
    "file": "from the file",
    "synthetic": "simulated (demo)",
}
"""What people read of each clock."""

SourceState = Literal["open", "reconnecting", "ended"]
"""`open`: delivers, or waits for its first frame. `reconnecting`: lost, and tried again."""

ROTATIONS = (0, 90, 180, 270)
"""Degrees clockwise by which pictures can be turned."""


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """Options of a source, checked by `LiveConfig`. Each kind uses those that concern it."""

    width: int = 640
    """px, asked of a camera, drawn by the demo."""
    height: int = 480
    """px, asked of a camera, drawn by the demo."""
    fps: float | None = None
    """Asked of a camera or the demo; stated for a folder of images, or for a file that was shot at
    a higher rate than it is stored at. None: the source's choice."""
    seed: int = 7
    """Seed of the demo."""
    seconds: float | None = None
    """Length of the demo; None: endless."""
    rotate: int = 0
    """Degrees, one of `ROTATIONS`, by which every picture is turned clockwise: for a camera mounted
    on its side or upside down."""
    start_s: float = 0.0
    """Where a recording begins to play, s from its beginning: `SEEKABLE` sources alone."""
    packed: bool = False
    """Return each picture's original JPEG too (`Frame.packed`), if the source's `info` says that it
    has them. Cameras do so in any case."""


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What was opened."""

    spec: str
    """As the user gave it, without its password."""
    kind: str
    """Name in `SOURCES`."""
    description: str
    """One line for a person: kind, size and rate, as asked and as reported."""
    live: bool
    """Whether it delivers in real time by itself, even if nobody reads. If not, frames are ready as
    fast as one reads; `pacing.pace` gives them real time."""
    clock: Clock
    width: int
    """px, of the first frame, or as asked before there is one; a frame's own size takes
    precedence."""
    height: int
    fps_asked: float | None
    fps_nominal: float | None
    """As reported by driver or file, not measured; None if neither says."""
    lossless: bool
    """False if pictures went through lossy compression on their way into this program."""
    duration_s: float | None = None
    """As the file or the options say, not measured; None if unknown or endless."""
    zero_s: float = 0.0
    """Its time at its beginning. A session has the times of its camera."""
    jpeg: bool = False
    """Whether its pictures come as JPEGs that it can hand over."""
    notes: tuple[str, ...] = ()
    """What is unusual about its pictures and times, and how it was handled, a line each; the
    description ends with them."""
    rotate: int = 0
    """Degrees clockwise by which its pictures are turned here, as asked; `width` and `height` are
    those after turning."""


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """A snapshot of a source's state."""

    state: SourceState
    message: str
    """One line for a person; empty while there is nothing to say."""
    frames: int
    """Frames delivered."""
    fps_measured: float | None
    """From the median interval of the last frames; None before there are two."""
    dropped: Mapping[str, int]
    """Frames that never reached this program, or were discarded to keep up, by cause."""
    unusable: Mapping[str, int]
    """Frames that arrived but could not be used, by cause."""


@runtime_checkable
class Source(Protocol):
    """An iterator of `Frame`s with strictly increasing stamps and read-only RGB images.

    A jump of `stamp.index` means that frames are missing there. Iterating again continues where the
    last iteration stopped. If anything but the source's end stops the iteration, it raises.
    """

    @property
    def info(self) -> SourceInfo:
        """What was opened. May be replaced while it runs: a camera learns its clock."""
        ...

    def __iter__(self) -> Iterator[Frame]: ...

    def status(self) -> SourceStatus:
        """Return a snapshot, from any thread."""
        ...

    def interrupt(self) -> None:
        """End the iteration for good and soon, from any thread, even while it waits."""
        ...

    def close(self) -> None:
        """Release what is held, from the iterating thread. May be called twice."""
        ...


def open_source(spec: str, options: SourceOptions | None = None) -> Source:
    """Open the source `spec`. Raises a one-line `SourceError` if it cannot be opened."""
    kind, rest = split_spec(spec)
    source: Source = load_entry(SOURCES, kind, "source")(rest, options or SourceOptions())
    return source


def split_spec(spec: str) -> tuple[str, str]:
    """Return the kind of source that `spec` asks for, and the argument for its opener.

    `kind` and `kind:rest` name the kind (`folder:demo`); otherwise the form of `spec` decides.
    Raises `SourceError` if neither works.
    """
    shown = hide_password(spec)
    if not _can_be_asked_for(spec):
        raise SourceError(f"source {shown!r}: no file name or address can contain these characters")
    kind, colon, rest = spec.partition(":")
    if kind in SOURCES and not rest.startswith("//"):
        return kind, rest if colon else spec
    if "://" in spec:
        return "network", spec
    if re.fullmatch(r"/dev/(video\d+|v4l/.+)", spec):
        return "camera", spec
    path = Path(os.path.expanduser(spec))
    if spec and path.is_dir():
        return "session" if (path / "session.json").is_file() else "folder", str(path)
    if spec and path.exists():
        return "file", str(path)
    if spec.isdecimal():  # after existing paths: data sets use numbers as folder names
        return "camera", str(int(spec))
    raise SourceError(f"source {shown!r}: no such file or folder; choose {CHOICES}")


def _can_be_asked_for(spec: str) -> bool:
    """Return whether the system can look up this path at all."""
    try:
        return b"\0" not in os.fsencode(spec)
    except UnicodeEncodeError:
        return False


_HARMLESS = ("camera", "ch", "channel", "fps", "height", "profile", "quality", "resolution",
             "stream", "streamtype", "subtype", "unicast", "video", "width")  # fmt: skip
"""Names whose values in an address only say which picture is meant."""
_LONG_TOKEN = 16
"""A part of an address this long that contains digits is a token, not a name."""


def hide_password(spec: str) -> str:
    """Return the spec in a form that may be shown and written down: an address without user and
    password, wherever they are, and without values that may be a token. Removes too much rather
    than too little."""
    first, *others = re.split(r"::(?=[a-z][a-z0-9+.-]*:(?://|:))", spec, maxsplit=1)
    if others:  # chained, as fsspec has it: `zip://a.mkv::https://…`
        return f"{hide_password(first)}::{hide_password(others[0])}"
    scheme, mark, rest = spec.partition("://")
    if not mark:
        # Not an address, or one that lacks its beginning.
        return re.sub(r"^[^/]*:.*@", "", spec)
    before_query = re.split(r"[?#]", rest, maxsplit=1)[0]
    if "@" in before_query or ":" in before_query.partition("/")[0]:
        rest = rest.rpartition("@")[2]  # a password may contain any character
    place, question, query = rest.partition("?")
    host, slash, path = place.partition("#")[0].partition("/")
    pairs = (_shown_pair(pair) for pair in query.split("&"))
    path = re.sub(r"([^/;&,=]+)=[^&]*", lambda pair: _shown_pair(pair[0]), path)
    path = re.sub(r"[^/&=]+", lambda part: "…" if _is_token(part[0]) else part[0], path)
    return f"{scheme}{mark}{host}{slash}{path}{question}{'&'.join(pairs)}"


def _shown_pair(pair: str) -> str:
    name, equals, value = pair.partition("=")
    if name.lower() in _HARMLESS and not _is_token(value):
        return pair
    return f"{name}=…" if equals else "…" if name else ""


def _is_token(text: str) -> bool:
    return len(text) >= _LONG_TOKEN and re.search(r"\d", text) is not None
