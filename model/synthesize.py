"""Writes footage with micro-expressions, and their truth: of a synthetic face, of photographs
brought to life, or over footage of a real face.

python -m model.synthesize --seconds 60 --fps 30 --seed 7 --out clip.mkv --truth truth.csv
python -m model.synthesize --faces portraits/ --seed 7 --out folder/
python -m model.synthesize --over interview.mp4 --seed 7 --out clip.mkv --truth truth.csv
"""

import argparse
import csv
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import get_args

import av
from tqdm import tqdm

from model.cli import Parser, exit_code, make_folder, parse_size, program
from model.errors import InputError
from model.face.network_files import add_face_networks
from model.files import distinct_names
from model.records import ImageU8
from model.synthetic.animated_face import FaceNuisance, SyntheticFace, check_footage
from model.synthetic.event_schedule import Schedule, TrueExpression
from model.synthetic.footage import ExpressionOverlay, follow_face, read_frames
from model.synthetic.photographs import list_photographs, open_photographs
from model.synthetic.portrait import Portrait
from model.synthetic.scanned_face import SkinMotion
from model.text import count_noun

TRUTH_COLUMNS = tuple(f.name for f in fields(TrueExpression))
CODEC_BY_SUFFIX = {".mkv": "ffv1", ".mp4": "h264"}
"""Codec by file suffix. `ffv1` keeps every bit of the RGB frames."""
TICKS_HZ = 90_000
"""Clock for the times of existing footage, as fine as any container's."""

_DECIMALS = 6
_NUISANCES = ("noise", "sway", "glances_per_min", "light", "flicker")
_FACE_ONLY = ("seconds", "fps", "size", "speech", *_NUISANCES)


@dataclass(frozen=True, slots=True)
class Output:
    """Where footage is written."""

    video: Path
    truth: Path | None

    @property
    def codec(self) -> str | None:
        """The codec that the video's suffix stands for; None if there is none."""
        return CODEC_BY_SUFFIX.get(self.video.suffix.lower())

    def check(self) -> None:
        """Raise `InputError` if writing would fail or overwrite something."""
        for path in (self.video, self.truth):
            if path is None:
                continue
            if path.exists():
                raise InputError(f"{path} exists already: remove it or choose another name")
            if not path.parent.is_dir():
                raise InputError(f"{path}: its folder does not exist: make it first")
        if self.video == self.truth:
            raise InputError(f"--out and --truth are both {self.video}: give two names")
        if self.codec is None:
            raise InputError(f"{self.video}: name it .mkv (lossless) or .mp4 (h264)")

    def check_size(self, width: int, height: int) -> None:
        """Raise `InputError` for a size, px, that the codec does not support."""
        if self.codec == "h264" and (width % 2 or height % 2):
            raise InputError(f"size {width}x{height}: h264 needs even width and height")


def write_footage(face: SyntheticFace, output: Output, *, seconds: float, fps: float) -> None:
    """Write `seconds` of the face at `fps`, frame k at time k / fps, and its truth table.

    Matroska stores times to the millisecond. A failure leaves no partial file.
    Raises `InputError` if the footage would have no frame or cannot be written.
    """
    if not (math.isfinite(seconds) and round(seconds * fps) >= 1):
        raise InputError(f"{seconds:g} s at {fps:g} fps is not even one frame: give more seconds")
    count = round(seconds * fps)
    rate = Fraction(fps).limit_denominator(10**6)
    images = ((index, face.image(index)) for index in tqdm(range(count), "frames", disable=None))
    _write(output, images, rate, 1 / rate, face.truth(seconds))


def write_overlay(
    video: Path, output: Output, *, seed: int, schedule: Schedule, motion: SkinMotion = "scan"
) -> int:
    """Add micro-expressions to the face in the footage `video`, and write it at its own frame times
    with their truth table. Returns the number of micro-expressions.

    Raises `InputError` if the video shows no face, if `schedule` has no expressions or no room for
    one, or if a file cannot be read or written.
    """
    if schedule.micro_per_min == 0:
        raise InputError("--rate 0 leaves nothing to write over the footage: choose more")
    face = follow_face(tqdm(read_frames(video), "following the face", disable=None))
    overlay = ExpressionOverlay(face, seed=seed, schedule=schedule, motion=motion)
    if not overlay.truth():
        raise InputError(f"{video} shows a face for too short a time: at least 1.5 s are needed")
    seconds = max(face.times_s[-1], 1e-3)
    rate = Fraction((len(face.times_s) - 1) / seconds).limit_denominator(1000)
    ticks = Fraction(1, TICKS_HZ)
    images = (
        (round(frame.stamp.time_s * TICKS_HZ), overlay.image(frame))
        for frame in tqdm(read_frames(video), "writing", total=len(face.times_s), disable=None)
    )
    _write(output, images, max(rate, Fraction(1)), ticks, overlay.truth())
    return len(overlay.truth())


def write_photographs(
    photographs: Sequence[Path],
    folder: Path,
    make_face: Callable[[Portrait], SyntheticFace],
    *,
    size: tuple[int, int],
    seconds: float,
    fps: float,
) -> None:
    """Bring each photograph to life: NAME.mkv and NAME.truth.csv in `folder`, which is made. One
    that cannot be used is named and left out. Raises `InputError` if none is left."""
    outputs = {
        photograph: Output(folder / f"{name}.mkv", folder / f"{name}.truth.csv")
        for photograph, name in distinct_names(photographs).items()
    }
    make_folder(folder)
    for output in outputs.values():
        output.check()
    for photograph, portrait in open_photographs(outputs, size):
        output, face = outputs[photograph], make_face(portrait)
        write_footage(face, output, seconds=seconds, fps=fps)
        print(f"{output.video}: {_describe(face, seconds)}")


def _describe(face: SyntheticFace, seconds: float) -> str:
    done = Counter(row.kind for row in face.truth(seconds))
    return (
        f"{count_noun(done['micro'], 'micro-expression')}, "
        f"{count_noun(done['macro'], 'macro-expression')}, {count_noun(done['blink'], 'blink')}"
    )


def write_truth(path: Path, rows: Sequence[TrueExpression]) -> None:
    """Write the truth table, one row per expression or blink, times in seconds."""
    with path.open("x", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(TRUTH_COLUMNS)
        for row in rows:
            cells = astuple(row)
            table.writerow([round(c, _DECIMALS) if isinstance(c, float) else c for c in cells])


def _write(
    output: Output,
    images: Iterable[tuple[int, ImageU8]],
    rate: Fraction,
    tick_s: Fraction,
    truth: Sequence[TrueExpression],
) -> None:
    try:
        _write_video(output, images, rate, tick_s)
        if output.truth is not None:
            write_truth(output.truth, truth)
    except BaseException:
        output.video.unlink(missing_ok=True)
        raise


def _write_video(
    output: Output, images: Iterable[tuple[int, ImageU8]], rate: Fraction, tick_s: Fraction
) -> None:
    """Write the video; `images` come with their presentation times in ticks."""
    try:
        with av.open(str(output.video), "w") as container:
            if output.codec == "ffv1":
                stream = container.add_stream("ffv1", rate=rate)
                stream.pix_fmt = "bgr0"
            else:
                stream = container.add_stream("libx264", rate=rate, options={"crf": "16"})
                stream.pix_fmt = "yuv420p"
            stream.codec_context.time_base = tick_s
            for number, (ticks, image) in enumerate(images):
                if number == 0:
                    stream.height, stream.width = image.shape[:2]
                    output.check_size(image.shape[1], image.shape[0])
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = ticks, tick_s
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    except av.FFmpegError as error:
        raise InputError(f"{output.video} cannot be written: {error}") from error


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and write the footage."""
    parser = _parser()
    options = parser.parse_args(arguments)
    usual = Schedule()
    schedule = Schedule(
        micro_per_min=options.rate,
        macro_per_min=0.0 if options.over else usual.macro_per_min,
        amplitude_px=tuple(options.amplitude),
        speech_per_min=usual.speech_per_min if options.speech and not options.over else 0.0,
    )
    if options.over is not None and options.faces:
        raise InputError("--over and --faces: give one of them")
    if options.over is not None:
        _check_over(parser, options)
        output = Output(options.out, options.truth)
        output.check()
        motion: SkinMotion = options.motion or "scan"
        count = write_overlay(
            options.over, output, seed=options.seed, schedule=schedule, motion=motion
        )
        print(f"{options.out}: {count_noun(count, 'micro-expression')} over {options.over.name}")
        return
    nuisance = FaceNuisance(**{name: getattr(options, name) for name in _NUISANCES})

    def make_face(portrait: Portrait | None, usual: SkinMotion = "scan") -> SyntheticFace:
        return SyntheticFace(
            seed=options.seed,
            fps=options.fps,
            size=options.size,
            schedule=schedule,
            nuisance=nuisance,
            portrait=portrait,
            motion=options.motion or usual,
        )

    check_footage(options.seed, options.fps, options.size)
    if options.faces:
        if options.truth is not None:
            raise InputError("--truth does not go with --faces: each gets its own, beside it")
        write_photographs(
            list_photographs(options.faces),
            options.out,
            make_face,
            size=options.size,
            seconds=options.seconds,
            fps=options.fps,
        )
        return
    output = Output(options.out, options.truth)
    output.check()
    output.check_size(*(int(side) for side in options.size))
    face = make_face(None, "catalogue")
    write_footage(face, output, seconds=options.seconds, fps=options.fps)
    print(f"{options.out}: {_describe(face, options.seconds)}")


def _check_over(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    usual = parser.parse_args(["--out", str(options.out)])
    for name in _FACE_ONLY:
        if getattr(options, name) != getattr(usual, name):
            option = "no-speech" if name == "speech" else name.replace("_", "-")
            raise InputError(f"--{option} does not go with --over: the footage has its own")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=program("model.synthesize"),
        description="Write footage whose micro-expressions are known.",
    )
    usual, still = Schedule(), FaceNuisance()
    add = parser.add_argument
    add(
        "--out",
        type=Path,
        required=True,
        metavar="CLIP",
        help=".mkv (lossless) or .mp4 (h264); with --faces a folder",
    )
    add("--truth", type=Path, metavar="CSV", help="table to write, of all expressions and blinks")
    add("--over", type=Path, metavar="VIDEO", help="add the expressions to this footage")
    add(
        "--faces",
        type=Path,
        nargs="+",
        default=[],
        metavar="PHOTO",
        help="photographs, or folders of them, to bring to life",
    )
    add(
        "--motion",
        choices=get_args(SkinMotion),
        help="how skin moves: scan (as a scanned face; the default with --faces and --over) or "
        "catalogue (Gaussians around muscles; the default otherwise)",
    )
    add("--seconds", type=float, default=60.0, help="length")
    add("--fps", type=float, default=30.0, help="frames per second")
    add("--seed", type=int, default=7, help="equal seeds give equal footage")
    add("--size", type=parse_size, default="640x480", metavar="WxH", help="of the frame, px")
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
    add("--glances-per-min", type=float, default=still.glances_per_min, help="looks to the side")
    add("--light", type=float, default=still.light, help="changes of the room's light, a share")
    add("--flicker", type=float, default=still.flicker, help="of 50 Hz mains, a share")
    add("--no-speech", dest="speech", action="store_false", help="no speech between them")
    add_face_networks(parser)
    return parser


if __name__ == "__main__":
    raise SystemExit(exit_code(main))
