"""What `tests/fuzz.py` does to readers of files: media and addresses, protocols and plans, tables.

Each function makes what its cases start from, in the folder it is given, and returns the cases.
"""

import csv
import hashlib
import io
import json
import shutil
import threading
from contextlib import closing, suppress
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import av.error
import layouts
import numpy as np
from fakes import grey_jpeg, picture, web_server, write_clip
from fuzz_inputs import changes, damage, damaged, rewritten, scalars, texts, values
from hypothesis import strategies as st
from safetensors.numpy import save
from test_baseline import measured
from test_session_files import Heard

from calibrate.predictions import read_predictions
from model.checkpoint import load_network
from model.datasets import open_dataset
from model.datasets.check import as_json, report
from model.datasets.kept import computed
from model.datasets.maps import read_maps
from model.delimited import read_table
from model.errors import InputError
from model.flow import load_flow
from model.shipped import WEIGHTS
from realtime.baseline import load_baseline, to_json
from realtime.config import LiveConfig
from realtime.scorer import load_scorer
from realtime.scoring import read_intervals, score
from realtime.session.keys import Keys
from realtime.session.plan import take_plan
from realtime.session.protocol import load_protocol, parse_protocol
from realtime.session.verdict import load_camera_check
from realtime.sources import Source, SourceOptions, open_source, split_spec, without_password
from realtime.ui.allowed import check_source

FRAMES = 80
"""So many of a source are read."""
CLIPS: dict[str, dict[str, Any]] = {
    "h264.mp4": {}, "h264.mkv": {}, "h264.ts": {}, "mjpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "mpeg4.avi": {"codec": "mpeg4"}, "ffv1.mkv": {"codec": "ffv1", "pix_fmt": "bgr0"},
    "vp9.webm": {"codec": "libvpx-vp9"}, "mjpeg.mjpeg": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "raw.y4m": {"codec": "wrapped_avframe"}, "gif.gif": {"codec": "gif", "pix_fmt": "rgb8"},
    "png.mov": {"codec": "png", "pix_fmt": "rgb24"}, "prores.mov": {"codec": "prores", "pix_fmt": "yuv422p10le"},
    "mpeg2.mpg": {"codec": "mpeg2video", "rate": 25, "tune": lambda c: setattr(c, "time_base", Fraction(1, 25))}, "turned.mp4": {"rotation": 90, "tags": {"com.android.capture.fps": "240"}},
    "flv.flv": {"codec": "flv1"}, "wmv.wmv": {"codec": "wmv2"},
}  # fmt: skip
"""By name, what `fakes.write_clip` is asked for."""
PROTOCOL = """name = "Interview A"
authors = ["A. Meyer", "B. Klein"]
[keys]
s = "stimulus"
d = "disturbance"
[[questions]]
name = "q1"
text = "How did you come here today?"
key = "1"
"""

options = st.builds(
    dict,
    fps=st.none() | st.sampled_from([1e-300, 0.001, 25.0, 240.0, 1e300]) | st.floats(0.1, 1000),
    rotate=st.sampled_from([0, 90, 180, 270]),
    packed=st.booleans(),
)


def sources(corpus: Path) -> dict[str, Any]:
    """Media files, folders of pictures, streams, and what may stand behind `--source`."""
    shown = [picture(30 + 20 * (n % 8), 64, 64) for n in range(12)]
    for name, asked in CLIPS.items():
        try:
            write_clip(corpus / name, shown, [40 * n for n in range(12)], **asked)
        except av.error.FFmpegError:  # this build of FFmpeg writes none
            (corpus / name).unlink(missing_ok=True)
    clips = [name for name in CLIPS if (corpus / name).exists()]
    jpegs = [grey_jpeg(n) for n in range(6)]
    stream = b"".join(
        b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg) + jpeg + b"\r\n"
        for jpeg in jpegs
    )  # fmt: skip
    kinds = {"multipart/x-mixed-replace; boundary=frame": stream}
    kinds |= {f"video/{name}": (corpus / name).read_bytes() for name in ("h264.ts", "h264.mp4")}

    def media(drawn: Any, scratch: Path) -> None:
        name, other, done, asked = drawn
        path = scratch / other
        path.write_bytes(damaged((corpus / name).read_bytes(), done))
        watch(open_source(f"file:{path}", SourceOptions(**asked)))

    def pictures(drawn: Any, scratch: Path) -> None:
        files, asked = drawn
        for name, content, done in files:
            with suppress(OSError, ValueError):  # a name that no file can have
                (scratch / name).write_bytes(damaged(content, done))
        watch(open_source(f"folder:{scratch}", SourceOptions(**asked)))

    def payload(drawn: Any, _: Path) -> None:
        kind, done, length, asked = drawn
        content = damaged(kinds[kind], done)

        def answer(request: Any) -> None:
            request.send_response(200)
            request.send_header("Content-Type", kind)
            if length:
                request.send_header("Content-Length", str(len(content)))
            request.end_headers()
            with suppress(ConnectionError):
                request.wfile.write(content)

        with web_server(answer) as address:
            watch(open_source(f"{address}clip", SourceOptions(**asked)), 0.5)

    def address(drawn: Any, scratch: Path) -> None:
        spec, allowed = drawn
        spec = spec.replace("HERE", str(scratch))
        without_password(spec)
        with suppress(InputError):
            check_source(spec, LiveConfig(host="0.0.0.0", auth=("a", "b"), allow_sources=allowed))
        kind, rest = split_spec(spec)
        reached = kind == "network" and not rest.startswith(("http://127.", "rtsp://127."))
        if kind in ("file", "folder", "session") or (kind == "network" and not reached):
            watch(open_source(spec, SourceOptions()), 0.5)

    extensions = st.sampled_from([*CLIPS, "x.mp4", "x.bin", "x.txt", "x.jpg", "x.mkv", "x"])
    png = (corpus / "one.png").as_posix()
    layouts.save(Path(png), shown[0])
    contents = st.sampled_from([jpegs[0], Path(png).read_bytes(), b""])
    stems = st.sampled_from(["img", "", "reg_img", "²", "a.b", "٣", ".", "-", "x" * 200]) | st.text(
        max_size=8
    )
    names = st.builds(
        lambda stem, number, end: f"{stem}{number}{end}",
        stems,
        st.integers(0, 20) | st.sampled_from(["", 10**17, 10**100, 2**31, "007", "1.5", "²"]),
        st.sampled_from(
            [".jpg", ".png", ".JPEG", ".tiff", ".webp", ".pgm", "", ".jpg.txt", "x.bmp"]
        ),
    )
    parts = st.sampled_from(
        ["file:", "folder:", "session:", "loop:", "http://127.0.0.1:9/", "rtsp://127.0.0.1:9/", "http://", "://",
         "HERE", "/", "x.mp4", "a:b@", "?token=1", "#", "ftp://", "/dev/video9", "12:30", "~", "%00", "[::1]"]
    ) | texts  # fmt: skip
    specs = st.lists(parts, min_size=1, max_size=4).map("".join)
    file = st.tuples(names, contents, damage | st.just([]))
    return {
        "media": (st.tuples(st.sampled_from(clips), extensions, damage, options), media),
        "pictures": (st.tuples(st.lists(file, max_size=6), options), pictures),
        "payload": (
            st.tuples(st.sampled_from(list(kinds)), damage, st.booleans(), options),
            payload,
        ),
        "address": (st.tuples(specs, st.lists(specs, max_size=2).map(tuple)), address),
    }


def watch(source: Source, seconds: float | None = None) -> None:
    """Read some frames, at most for so long if it is said."""
    timer = threading.Timer(seconds or 0, source.interrupt)
    with closing(source):
        if seconds:
            timer.start()
        try:
            for frame in islice(source, FRAMES):
                assert frame.image.shape[2] == 3
                assert frame.image.dtype == np.uint8
            str(source.info), source.status()
        finally:
            timer.cancel()


def protocols(corpus: Path) -> dict[str, Any]:
    """Protocols, what is typed while they hold, plans, reports of the camera's check."""
    checked = json.dumps(
        {"format": "fmanet-live camera", "version": 1, "light": "green", "verdict": "good"}
    )

    def protocol(drawn: Any, scratch: Path) -> None:
        done, typed = drawn
        path = scratch / "protocol.toml"
        path.write_bytes(damaged(PROTOCOL.encode(), done))
        hear(load_protocol(path), typed)

    def words(drawn: Any, _: Path) -> None:
        text, typed = drawn
        hear(parse_protocol(text, "the protocol"), typed)

    def hear(loaded: Any, typed: list[str]) -> None:
        json.dumps(loaded.document(), ensure_ascii=False).encode()
        keys = Keys(loaded, Heard())
        for line in typed:
            keys.hear(line)
            with suppress(InputError):
                keys.press(line, None)

    def plan(drawn: dict[str, Any], scratch: Path) -> None:
        for name, text in (("protocol", PROTOCOL), ("camera_report", checked)):
            if drawn[name] is not None:
                path = scratch / name
                path.write_bytes(damaged(text.encode(), drawn[name]))
                drawn = drawn | {name: path}
        take_plan(dict(drawn))

    def camera(done: Any, scratch: Path) -> None:
        path = scratch / "camera.json"
        path.write_text(rewritten(checked, done))
        load_camera_check(path)

    toml = st.builds(
        lambda name, keys, questions: "\n".join(
            [f"name = {json.dumps(name)}", "[keys]"]
            + [f"{json.dumps(key)} = {json.dumps(value)}" for key, value in keys.items()]
            + [
                line
                for question in questions
                for line in ["[[questions]]"]
                + [f"{key} = {json.dumps(value)}" for key, value in question.items()]
            ]
        ),
        scalars,
        st.dictionaries(texts, scalars, max_size=3),
        st.lists(
            st.dictionaries(st.sampled_from(["name", "text", "key", "x"]), scalars), max_size=3
        ),
    )
    typed = st.lists(
        st.sampled_from(["s\n", "1\n", "pause\n", "resume\n", "forget 30\n", "forget nan\n"])
        | texts,
        max_size=8,
    )
    flags = st.booleans()
    plans = st.fixed_dictionaries(
        {
            "record": st.just(Path("P07")), "participant": st.sampled_from(["P07", None]) | texts,
            "codec": st.sampled_from(["h264", "ffv1", "mjpeg", None]) | texts, "consent": st.none() | texts,
            "pictures": flags, "audio": st.none() | texts, "voice": flags, "protocol": st.none() | damage,
            "lsl": flags, "lsl_markers": st.none() | texts, "strict": flags, "camera_report": st.none() | damage,
        }
    )  # fmt: skip
    return {
        "protocol": (st.tuples(damage, typed), protocol),
        "words": (st.tuples(toml | texts, typed), words),
        "plan": (plans, plan),
        "camera": (changes, camera),
    }


def tables(corpus: Path) -> dict[str, Any]:
    """Tables of text and of spreadsheets, data sets, maps, weights, JSON that other commands
    wrote."""
    baseline = to_json(measured())
    events = table(
        ["onset_s", "apex_s", "offset_s", "kind", "label", "amplitude_px"],
        [[n, n + 0.2, n + 0.4, "micro", "positive", 1.5] for n in range(4)],
    )
    shares = table(["label", "p_a", "p_b", "subject"], [["a", 0.7, 0.3, n] for n in range(4)])
    heads = [
        "onset_s",
        "apex_s",
        "offset_s",
        "kind",
        "label",
        "p_a",
        "p_b",
        "subject",
        "file",
        "clip",
    ]
    predicted = json.dumps(
        {"labels": ["a", "b"], "probabilities": [[0.7, 0.3], [0.2, 0.8]], "truth": ["a", 1], "subjects": [1, 2]}
    )  # fmt: skip
    for name in layouts.WRITERS:
        if not (corpus / name).exists():
            layouts.WRITERS[name](corpus / name, layouts.usual(name))
    maps = corpus / "maps"
    maps.mkdir(exist_ok=True)
    flow = np.random.default_rng(0).normal(size=(2, 16, 16)).astype(np.float32)
    np.save(maps / "a.npy", flow)
    np.savez(maps / "b.npz", flow=flow)
    np.savez_compressed(maps / "c.npz", u=flow[0], v=flow[1])
    layouts.save(maps / "d.png", np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3))
    listed = table(
        ["file", "subject", "clip", "label", "channels"],
        [[f, n, "x", "disgust", "rgb"] for n, f in enumerate(["a.npy", "b.npz", "c.npz"])],
    )
    weights = (WEIGHTS / "ststnet.safetensors").read_bytes()
    said = metadata(weights)["checkpoint"]

    def text_table(drawn: Any, scratch: Path) -> None:
        which, done, rows = drawn
        path = scratch / "table.csv"
        content = {"events": events, "shares": shares}.get(which) or table(*rows)
        path.write_bytes(damaged(content.encode("utf-8", "replace"), done))
        read_table(path)
        for read in (read_intervals, read_predictions):
            with suppress(InputError):
                found = read(path)
                if read is read_intervals:
                    score([(found, found)], "micro")  # type: ignore[list-item]

    def json_file(drawn: Any, scratch: Path) -> None:
        which, done, bytes_done = drawn
        path = scratch / "said.json"
        path.write_bytes(damaged(rewritten(which, done).encode(), bytes_done))
        with suppress(InputError):
            read_predictions(path)
        load_baseline(path)

    def data_set(drawn: Any, scratch: Path) -> None:
        name, done, cells = drawn
        root = scratch / name
        shutil.copytree(corpus / name, root)
        for book in root.rglob("*.xlsx"):
            if cells:
                spoil(book, cells)
            book.write_bytes(damaged(book.read_bytes(), done))
        found = open_dataset(name, root)
        report(found)
        json.dumps(as_json(found))

    def map_files(drawn: Any, scratch: Path) -> None:
        which, done, table_done = drawn
        for path in maps.iterdir():
            content = path.read_bytes()
            (scratch / path.name).write_bytes(
                damaged(content, done) if path.name == which else content
            )
        content = listed.replace("a.npy", which)
        (scratch / "maps.csv").write_bytes(damaged(content.encode(), table_done))
        read_maps(scratch)

    def kept(drawn: Any, scratch: Path) -> None:
        found = open_dataset("smic", corpus / "smic")
        cache = scratch / "cache"
        list(computed(found, _computed, load_flow("lk"), cache, workers=1))
        for path in sorted(cache.rglob("*.npz"))[:2]:
            path.write_bytes(damaged(path.read_bytes(), drawn))
        list(computed(found, _computed, load_flow("lk"), cache, workers=1))

    def checkpoint(drawn: Any, scratch: Path) -> None:
        done, bytes_done = drawn
        path = scratch / "weights.safetensors"
        description = rewritten(said, done)
        content = replaced(
            weights,
            checkpoint=description,
            checkpoint_sha256=hashlib.sha256(description.encode()).hexdigest(),
        )
        path.write_bytes(damaged(content, bytes_done))
        load_network(path)

    def scorer(drawn: Any, scratch: Path) -> None:
        recipe, shapes, bytes_done = drawn
        path = scratch / "scorer.safetensors"
        tensors = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
        about = {"format": "fmanet-live spotter 1", "recipe": json.dumps(recipe)}
        path.write_bytes(damaged(save(tensors, metadata=about), bytes_done))
        load_scorer(str(path))

    harmed = damage | st.just([])
    rows = st.tuples(
        st.lists(st.sampled_from(heads) | texts, min_size=1, max_size=10),
        st.lists(st.lists(scalars, max_size=10), max_size=5),
    )
    cell = st.tuples(st.integers(0, 2), st.integers(1, 12), st.integers(1, 12), scalars)
    recipes = st.fixed_dictionaries({"opens_at": scalars, "accepts": scalars}) | values
    shapes = st.dictionaries(
        st.sampled_from(["mean", "std", "w0", "b0", "w1", "w", "x"]),
        st.lists(st.integers(0, 3), max_size=3).map(tuple),
    )
    return {
        "text": (
            st.tuples(st.sampled_from(["events", "shares", "rows"]), harmed, rows),
            text_table,
        ),
        "json": (st.tuples(st.sampled_from([baseline, predicted]), changes, harmed), json_file),
        "data set": (
            st.tuples(st.sampled_from(list(layouts.WRITERS)), harmed, st.lists(cell, max_size=3)),
            data_set,
        ),
        "maps": (
            st.tuples(st.sampled_from([p.name for p in sorted(maps.iterdir())]), harmed, harmed),
            map_files,
        ),
        "kept": (damage, kept),
        "checkpoint": (st.tuples(changes | st.just([]), harmed), checkpoint),
        "scorer": (st.tuples(recipes, shapes, harmed), scorer),
    }


def _computed(clip: Any, flow: Any) -> dict[str, Any]:
    return {"flow": np.zeros((2, 4, 4), np.float32), "apex": np.array(1)}


def table(columns: list[str], rows: list[list[Any]]) -> str:
    """CSV."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerows([columns, *rows])
    return out.getvalue()


def spoil(path: Path, cells: list[tuple[int, int, int, Any]]) -> None:
    """Put other values into cells of a workbook, merged with those below; what it cannot hold is
    left out."""
    from openpyxl import load_workbook

    book = load_workbook(path)
    for sheet, row, column, value in cells:
        there = book.worksheets[sheet % len(book.worksheets)]
        with suppress(Exception):  # no value of a cell
            there.cell(row, column, value)
            if value is True:
                there.merge_cells(
                    start_row=row, end_row=row + 90, start_column=column, end_column=column
                )
    with suppress(Exception):
        book.save(path)


def metadata(content: bytes) -> dict[str, str]:
    """What a safetensors file says of itself."""
    length = int.from_bytes(content[:8], "little")
    said: dict[str, str] = json.loads(content[8 : 8 + length])["__metadata__"]
    return said


def replaced(content: bytes, **said: str) -> bytes:
    """A safetensors file with other words in its metadata."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] |= said
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + length :]
