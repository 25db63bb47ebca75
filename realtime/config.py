"""The options of a live run, checked before anything slow is loaded."""

import re
import ssl
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from model.classifiers import CLASSIFIERS
from model.engine import ENGINES
from model.engine.onnxruntime_engine import ONNX_THREADS
from model.errors import InputError
from model.face.choice import check_face_choice
from model.flow import FLOWS
from model.inference.shipped_weights import shipped_names, weights_for_flow
from realtime.sources import ROTATIONS, SourceOptions
from realtime.spotting.baseline_file import Baseline
from realtime.spotting.me_probability import AT_BAR, check_least_probability

if TYPE_CHECKING:
    from realtime.recording.plan import RecordPlan

MAX_SIDE_PX = 8192
MAX_FPS = 1000.0


@dataclass(frozen=True, slots=True)
class LiveConfig:
    """Options of a live run; `SourceOptions` describes those of the source. A wrong value raises
    `InputError` that names the option, the value and the remedy."""

    source: str = "auto"
    """`auto`, a camera number, a file, a folder, an address, `demo` or `browser`."""
    width: int = 640
    height: int = 480
    fps: float | None = None
    rotate: int = 0
    seed: int = 7
    face: str = "largest"
    """Which of several faces is followed, see `model.face.choice.check_face_choice`."""
    seconds: float | None = None
    """The run ends after this much of the source. None: when the source ends."""
    flow: str = "lk"
    """Name in `model.flow.FLOWS`: the optical flow of both phases."""
    classifier: str = "fmanet"
    """Name of a shipped checkpoint, or path of any checkpoint. If weights are shipped for several
    flows, a network's name becomes that of its weights for `flow`."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `cuda:N`; `model.machine.choose_device` says what `auto` is here."""
    engine: str = "auto"
    """Name in `model.engine.ENGINES`: what runs the classifier; `auto`: the best one available."""
    least_me_probability: float = AT_BAR
    """The least probability with which a micro-expression is one at all, see
    `realtime.spotting.me_probability`."""
    baseline: Baseline | None = field(default=None, repr=False)
    """This face at rest before this camera. None: typical values of most faces."""
    record: "RecordPlan | None" = None
    """The session to record. None: do not record."""
    sessions: Path = Path("sessions")
    """Where the page records sessions and looks for sessions to review."""
    host: str = "127.0.0.1"
    """Address that the page listens on."""
    port: int = 7860
    auth: tuple[str, str] | None = field(default=None, repr=False)
    """User and password of the page; required unless `host` is loopback."""
    allow_hosts: tuple[str, ...] = ()
    """Names of a proxy that may ask for a page that listens on loopback."""
    root_path: str = ""
    """Path under which a proxy serves the page, as "/proxy/7860"."""
    view_password: str | None = field(default=None, repr=False)
    """Password for viewers, who may use any user name. None: no viewers."""
    allow_sources: tuple[str, ...] = ()
    """Folders, files and addresses that the page may open, with everything in them. It may always
    open `source` and the sources that it offers. If this is empty and only this machine can reach
    the page, it may open anything."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    open_browser: bool = True

    def __post_init__(self) -> None:
        if not (16 <= self.width <= MAX_SIDE_PX and 16 <= self.height <= MAX_SIDE_PX):
            size = f"{self.width}x{self.height}"
            raise InputError(f"--size {size}: choose 16 to {MAX_SIDE_PX} px for each side")
        if self.fps is not None and not 0 < self.fps <= MAX_FPS:
            raise InputError(f"--fps {self.fps:g}: choose more than 0 and at most {MAX_FPS:g}")
        if self.seconds is not None and not 0 < self.seconds < float("inf"):
            raise InputError(
                f"--seconds {self.seconds:g}: choose a number above 0, or none for no end"
            )
        check_face_choice(self.face)
        check_least_probability(self.least_me_probability)
        if self.seed < 0:
            raise InputError(f"--seed {self.seed}: choose 0 or more")
        for option, value, choices in (
            ("--rotate", self.rotate, map(str, ROTATIONS)),
            ("--flow", self.flow, FLOWS),
            ("--engine", self.engine, ("auto", *ENGINES)),
        ):
            if str(value) not in (known := tuple(choices)):
                raise InputError(f"{option} {value}: choose one of {', '.join(known)}")
        names = shipped_names()
        if self.classifier not in {*names, *CLASSIFIERS} and not Path(self.classifier).is_file():
            raise InputError(
                f"--classifier {self.classifier}: choose one of {', '.join(names)}, or a "
                "checkpoint's path"
            )
        object.__setattr__(self, "classifier", weights_for_flow(self.flow, self.classifier))
        self._check_page()

    @property
    def is_shared(self) -> bool:
        """Whether people at other machines can reach the page, also through a proxy."""
        return not is_loopback(self.host) or bool(self.allow_hosts or self.root_path)

    def source_options(self) -> SourceOptions:
        """Return the options that concern the source."""
        return SourceOptions(
            width=self.width,
            height=self.height,
            fps=self.fps,
            rotate=self.rotate,
            seed=self.seed,
            seconds=self.seconds,
            packed=self.record is not None and self.record.keeps_jpegs,
        )

    def _check_page(self) -> None:
        if not 0 <= self.port <= 65535:
            raise InputError(f"--port {self.port}: choose 0 to 65535 (0: any free one)")
        hosts = tuple(name.lower() for name in self.allow_hosts)
        object.__setattr__(self, "allow_hosts", hosts)
        for name in hosts:
            if not re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:]+", name):
                raise InputError(
                    f"--allow-host {name}: give only a host's name, without scheme, port or path"
                )
        if not re.fullmatch(r"(/[\w.~%-]+)*", self.root_path):
            raise InputError(
                f"--root-path {self.root_path}: give a path like /proxy/7860, without / at its end"
            )
        for option, path in (("--tls-cert", self.tls_cert), ("--tls-key", self.tls_key)):
            if path is not None and not path.is_file():
                raise InputError(f"{option} {path}: no such file")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise InputError("--tls-cert and --tls-key: give both or neither")
        if self.tls_cert is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            try:
                # Without a password here, OpenSSL would ask for it on the terminal.
                context.load_cert_chain(self.tls_cert, self.tls_key, password="")
            except OSError as error:
                raise InputError(
                    f"--tls-cert {self.tls_cert} with --tls-key {self.tls_key} does not work: "
                    f"{error}; give a PEM certificate and its own key, without a passphrase"
                ) from None
        if self.view_password is not None and self.auth is None:
            raise InputError(
                "--view-password needs --auth: without it everyone may do everything on the page"
            )
        if self.auth is not None and self.view_password == self.auth[1]:
            raise InputError("--view-password is the same as that of --auth: choose another")
        if self.auth is None and not is_loopback(self.host):
            raise InputError(
                f"--host {self.host} lets others see the face: add --auth user:password (and "
                "--tls-cert and --tls-key, or the password travels in the clear)"
            )


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def device_name(device: str) -> str:
    """Return the device with its name: `cpu (4 threads)`, `cuda:0 (NVIDIA H100)`."""
    if device == "cpu":
        return f"cpu ({ONNX_THREADS} thread{'s' if ONNX_THREADS > 1 else ''})"
    import torch

    return f"{device} ({torch.cuda.get_device_name(device)})"
