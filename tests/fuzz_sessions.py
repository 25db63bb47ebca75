"""Recorded sessions, damaged by `tests/fuzz.py`, and all that reads them."""

import shutil
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from anyio.from_thread import start_blocking_portal
from fakes import copied
from fuzz_inputs import apply_damage, change_json, changes, damage, scalars
from fuzz_page import OPEN, OURS, READ, Page, record_session
from fuzz_sources import watch
from hypothesis import strategies as st

import realtime.export.__main__ as exporting
import realtime.session as keeping
from realtime.config import LiveConfig
from realtime.export import EXPORTS
from realtime.sessions.replay_parity import compare_with_live
from realtime.sessions.session_source import SessionSource
from realtime.sources import SourceOptions


def cases(corpus: Path) -> dict[str, Any]:
    """Recorded sessions of which files are damaged, gone, exchanged or something else, and all
    that reads them."""
    whole = record_session(corpus)
    portal = OPEN.enter_context(start_blocking_portal())
    shelf = corpus / "shelf"
    shelf.mkdir(exist_ok=True)
    page = Page(portal, LiveConfig(source="browser", device="cpu", sessions=shelf))
    files = sorted(path.name for path in whole.iterdir())
    reviewing = [path for path in READ if path.startswith("/live/review/")]

    def route(path: str) -> Callable[[Path], None]:
        def read(folder: Path) -> None:
            shutil.rmtree(shelf, ignore_errors=True)
            shutil.copytree(folder, shelf / "S", symlinks=True)
            asked = [{"type": "http.request", "body": b"", "more_body": False}]
            sent = page.ask("http", path, OURS, asked)
            if sent[0]["status"] >= 500:
                raise ValueError(f"{path}: {sent}")

        return read

    def command(main: Callable[[], None], *words: str) -> Callable[[Path], None]:
        def call(folder: Path) -> None:
            beside = [word.replace("HERE", str(folder.parent)) for word in words]
            sys.argv = ["program", *(str(folder) if word == "S" else word for word in beside)]
            main()

        return call

    def replay(folder: Path) -> None:
        watch(SessionSource(str(folder), SourceOptions()))

    def parity(folder: Path) -> None:
        with closing(SessionSource(str(folder), SourceOptions())) as source:
            compare_with_live(source, "cpu")

    readers: dict[str, Callable[[Path], None]] = {
        "recover": command(keeping.main, "recover", "S"),
        "redact": command(keeping.main, "redact", "S", "--from", "0.5", "--to", "1"),
        "redact all": command(keeping.main, "redact", "S", "--from", "0", "--to", "inf"),
        "delete": command(keeping.main, "delete", "S", "--receipt", "HERE/receipt.json"),
        "agree": command(keeping.main, "agree", "S", "C1", "C2"),
        "report": command(keeping.main, "report", "S", "--coder", "C1"),
        "replay": replay,
        "compare": parity,
        **{f"export {name}": command(exporting.main, "S", "--to", name) for name in EXPORTS},
        "export coded": command(exporting.main, "S", "--to", "csv", "--coder", "C1"),
        **{path: route(path) for path in reviewing},
    }

    def read(drawn: Any, scratch: Path) -> None:
        reader, done = drawn
        folder = copied(whole, scratch / "S")
        for name, way, detail in done:
            spoil(folder, name, way, detail, files)
        readers[reader](folder)

    ways = st.one_of(
        st.tuples(st.just("damage"), damage),
        st.tuples(st.just("damage"), damage),
        st.tuples(st.just("change"), changes),
        st.tuples(st.just("change"), changes),
        st.tuples(
            st.just("cell"), st.tuples(st.integers(0, 200), st.integers(0, 20), scalars.map(str))
        ),
        st.tuples(st.sampled_from(["gone", "folder", "loop", "empty", "nowhere"]), st.none()),
        st.tuples(st.just("other"), st.sampled_from(files)),
    )
    spoilt = st.builds(
        lambda name, way: (name, *way),
        st.sampled_from([*files, "session.json", "events.jsonl"]),
        ways,
    )
    done = st.lists(spoilt, min_size=1, max_size=3)
    twice = [name for name in readers if name != "compare"] * 4 + ["compare"]
    return {"read": (st.tuples(st.sampled_from(twice), done), read)}


def spoil(folder: Path, name: str, way: str, detail: Any, files: list[str]) -> None:
    """Do to one file of a session what was drawn."""
    path = folder / name
    if not path.is_file():
        return
    content = path.read_bytes()
    if way == "damage":
        path.write_bytes(apply_damage(content, detail))
    elif way == "change" and name.endswith(".json"):
        path.write_text(change_json(content.decode("utf-8", "replace"), detail))
    elif way == "change" and name.endswith(".jsonl"):
        lines = content.decode("utf-8", "replace").splitlines() or [""]
        at = detail[0][0][0] % len(lines)
        lines[at] = change_json(lines[at], detail)
        path.write_text("".join(f"{line}\n" for line in lines))
    elif way == "cell":
        row, column, cell = detail
        rows = [line.split(",") for line in content.decode("utf-8", "replace").splitlines()]
        if rows:
            cells = rows[row % len(rows)]
            cells[column % len(cells)] = cell
        path.write_bytes("".join(f"{','.join(row)}\n" for row in rows).encode("utf-8", "replace"))
    elif way == "other" and (folder / detail).is_file():
        path.write_bytes((folder / detail).read_bytes())
    elif way in ("gone", "folder", "loop", "nowhere"):
        path.unlink()
        if way == "folder":
            path.mkdir()
        elif way != "gone":
            path.symlink_to(name if way == "loop" else "not/there")
    elif way == "empty":
        path.write_bytes(b"")
