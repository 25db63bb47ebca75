"""Footage of a synthetic face with its truth, as files.

python -m model.synthesize --seconds 60 --fps 30 --seed 7 --out clip.mkv --truth truth.csv
"""

import argparse
import csv
import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from fractions import Fraction
from pathlib import Path

import av
from tqdm import tqdm

from model.errors import InputError, exit_code
from model.synthetic.face import Nuisance, SyntheticFace
from model.synthetic.schedule import Schedule, TrueExpression

TRUTH_COLUMNS = tuple(f.name for f in fields(TrueExpression))
CODECS = {"ffv1": (".mkv",), "h264": (".mkv", ".mp4")}
"""What each codec may be put into. `ffv1` keeps every bit of the RGB frames."""

_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class Output:
    """Where footage goes, and how."""

    video: Path
    truth: Path | None
    codec: str
    """A name of `CODECS`."""

    def check(self, size: tuple[int, int]) -> None:
        """Raises `InputError` where writing would fail, or overwrite something."""
        for path in (self.video, self.truth):
            if path is None:
                continue
            if path.exists():
                raise InputError(f"{path} exists already: remove it or choose another name")
            if not path.parent.is_dir():
                raise InputError(f"{path}: its folder does not exist: make it first")
        if self.video == self.truth:
            raise InputError(f"--out and --truth are both {self.video}: give two names")
        suffixes = CODECS[self.codec]
        if self.video.suffix.lower() not in suffixes:
            raise InputError(
                f"{self.video}: {self.codec} goes into {' or '.join(suffixes)}: "
                "choose such a name, or another --codec"
            )
        if self.codec == "h264" and (size[0] % 2 or size[1] % 2):
            raise InputError(f"size {size[0]}x{size[1]}: h264 needs even width and height")


def write_footage(face: SyntheticFace, output: Output, *, seconds: float, fps: float) -> None:
    """Write `seconds` of the face at `fps`, frame k at time k / fps, and its truth.

    Matroska keeps times to the millisecond. Nothing half-written is left behind.
    Raises `InputError` if the footage would have no frame or cannot be written.
    """
    if not (math.isfinite(seconds) and round(seconds * fps) >= 1):
        raise InputError(f"{seconds:g} s at {fps:g} fps is not even one frame: give more seconds")
    try:
        _write_video(face, output, count=round(seconds * fps), fps=fps)
        if output.truth is not None:
            write_truth(output.truth, face.truth(seconds))
    except BaseException:
        output.video.unlink(missing_ok=True)
        raise


def write_truth(path: Path, rows: Sequence[TrueExpression]) -> None:
    """Write the truth table, one row an expression or blink, times in seconds."""
    with path.open("x", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(TRUTH_COLUMNS)
        for row in rows:
            cells = astuple(row)
            table.writerow([round(c, _DECIMALS) if isinstance(c, float) else c for c in cells])


def _write_video(face: SyntheticFace, output: Output, *, count: int, fps: float) -> None:
    rate = Fraction(fps).limit_denominator(10**6)
    first = face.image(0)
    try:
        with av.open(str(output.video), "w") as container:
            if output.codec == "ffv1":
                stream = container.add_stream("ffv1", rate=rate)
                stream.pix_fmt = "bgr0"
            else:
                stream = container.add_stream("libx264", rate=rate, options={"crf": "16"})
                stream.pix_fmt = "yuv420p"
            stream.height, stream.width = first.shape[:2]
            stream.codec_context.time_base = 1 / rate
            for index in tqdm(range(count), unit="frame", disable=None):
                frame = av.VideoFrame.from_ndarray(face.image(index), format="rgb24")
                frame.pts, frame.time_base = index, 1 / rate
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    except av.FFmpegError as error:
        raise InputError(f"{output.video} cannot be written: {error}") from error


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and write what it asks for."""
    options = _parser().parse_args(arguments)
    schedule = Schedule(
        micro_per_min=options.rate,
        amplitude_px=tuple(options.amplitude),
        speech_per_min=Schedule().speech_per_min if options.speech else 0.0,
    )
    nuisance = Nuisance(noise=options.noise, sway=options.sway)
    codec = options.codec or ("h264" if options.out.suffix.lower() == ".mp4" else "ffv1")
    output = Output(options.out, options.truth, codec)
    output.check(options.size)
    face = SyntheticFace(
        seed=options.seed,
        fps=options.fps,
        size=options.size,
        schedule=schedule,
        nuisance=nuisance,
    )
    write_footage(face, output, seconds=options.seconds, fps=options.fps)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model.synthesize",
        description="Write footage of a synthetic face whose expressions are known.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    usual, still = Schedule(), Nuisance()
    add = parser.add_argument
    add("--out", type=Path, required=True, metavar="CLIP", help="video to write, .mkv or .mp4")
    add("--truth", type=Path, metavar="CSV", help="table to write of what the face does when")
    add("--seconds", type=float, default=60.0, help="length")
    add("--fps", type=float, default=30.0, help="frames per second")
    add(
        "--seed",
        type=int,
        default=7,
        help="decides what happens when; equal seeds give equal footage",
    )
    add("--size", type=_size, default="640x480", metavar="WxH", help="of the frame, px")
    add("--codec", choices=CODECS, help="lossless ffv1 for .mkv, h264 for .mp4 unless said")
    add(
        "--amplitude",
        type=float,
        nargs=2,
        default=list(usual.amplitude_px),
        metavar=("MIN", "MAX"),
        help="of micro-expressions, px of the 128 px aligned crop",
    )
    add("--rate", type=float, default=usual.micro_per_min, help="micro-expressions per minute")
    add("--noise", type=float, default=still.noise, help="sensor noise, grey levels")
    add("--sway", type=float, default=still.sway, help="head motion, 1 is sitting still, 0 none")
    add(
        "--speech",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="bouts of speech between the expressions",
    )
    return parser


def _size(text: str) -> tuple[int, int]:
    width, cross, height = text.partition("x")
    if not (cross and width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size like 640x480")
    return int(width), int(height)


if __name__ == "__main__":
    raise SystemExit(exit_code(main))
