"""A film sent by the page: shown, kept private, deleted; refused in one line."""

import base64
import json
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import anyio
import httpx
import numpy as np
import pytest
from browsing import IN_BROWSER, LAPTOP, opened, small_demo, wait_for_frames
from fakes import write_clip
from playwright.sync_api import Browser
from served import AUTH, Served, serving
from websockets.sync.client import connect

from model.errors import InputError
from realtime.config import LiveConfig
from realtime.live import LiveSession
from realtime.recording.plan import RecordPlan
from realtime.ui import uploads
from realtime.ui.uploads import Uploads, make_safe_name


@pytest.fixture
def demo(untrained: Path) -> Iterator[Served]:
    with serving(small_demo(untrained)) as served:
        yield served


def send(served: Served, name: str, body: bytes, **options: object) -> httpx.Response:
    url = f"{served.address}live/upload"
    return httpx.post(url, params={"name": name}, content=body, timeout=60, **options)  # type: ignore[arg-type]


def test_a_film_is_shown_privately_and_deleted_with_the_next_source(
    demo: Served, expression_clip: Path
) -> None:
    assert send(demo, "C:\\films\\my smile.mkv", expression_clip.read_bytes()).json() == {}
    path = Path(demo.session.config.source)
    assert path.name == "my smile.mkv"
    assert path.read_bytes() == expression_clip.read_bytes()
    for private in (path, path.parent, path.parent.parent):
        assert stat.S_IMODE(private.stat().st_mode) & 0o077 == 0
    with connect(f"ws://127.0.0.1:{demo.port}/live/view", max_size=2**24) as socket:
        told = (json.loads(message) for message in socket if isinstance(message, str))
        assert next(m for m in told if m["type"] == "status")["chip"] == "File: my smile.mkv"
        socket.send(json.dumps({"do": "switch", "source": "demo"}))
        next(m for m in told if m.get("chip") == "Demo face")
        socket.send(json.dumps({"do": "switch", "source": "nowhere"}))
        next(m for m in told if m["type"] == "error")  # so the switch before it is done
    assert not path.parent.exists()


def test_what_is_no_film_is_refused_and_what_runs_goes_on(demo: Served) -> None:
    before = demo.session.snapshot().run
    assert "notes.mp4" in send(demo, "notes.mp4", b"no film at all").json()["error"]
    assert "is empty" in send(demo, "film.mp4", b"").json()["error"]
    assert (demo.session.config.source, demo.session.snapshot().run) == ("demo", before)


def test_a_film_is_not_taken_during_a_recording(
    demo: Served, tmp_path: Path, expression_clip: Path
) -> None:
    demo.session.record(RecordPlan(tmp_path / "P07", "P07"))
    answer = send(demo, "film.mkv", expression_clip.read_bytes()).json()
    assert "a recording is in progress" in answer["error"]
    assert demo.session.records


def test_who_only_looks_sends_no_film_and_sees_no_cameras(untrained: Path) -> None:
    config = replace(small_demo(untrained), auth=AUTH, view_password="look")
    with serving(config) as served:
        assert send(served, "film.mkv", b"x", auth=("Ben", "look")).status_code == 403
        url = f"{served.address}live/cameras.json"
        assert httpx.get(url, auth=("Ben", "look"), timeout=30).status_code == 403
        assert "cameras" in httpx.get(url, auth=AUTH, timeout=30).json()


async def pieces(*sent: bytes) -> AsyncIterator[bytes]:
    for piece in sent:
        yield piece


async def silence() -> AsyncIterator[bytes]:
    yield b"x"
    await anyio.sleep_forever()


@pytest.mark.parametrize(
    ("stream", "limit", "said"),
    [
        (lambda: pieces(b"12345", b"6"), ("MOST_BYTES", 5), "is larger than"),
        (lambda: pieces(b"x"), ("SPARE_BYTES", 2**80), "does not fit"),
        (silence, ("QUIET_S", 0.01), "stopped arriving"),
    ],
)
def test_limits_leave_nothing_behind(
    untrained: Path,
    monkeypatch: pytest.MonkeyPatch,
    stream: Callable[[], AsyncIterator[bytes]],
    limit: tuple[str, float],
    said: str,
) -> None:
    monkeypatch.setattr(uploads, *limit)
    taken = Uploads(LiveSession(small_demo(untrained)))
    with pytest.raises(InputError, match=said):
        anyio.run(taken.take, "film.mp4", stream())
    assert list(taken.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("a\x00b\n.mp4", "a_b_.mp4"),
        (".hidden.mp4", "hidden.mp4"),
        ("", "film"),
        ("lächeln 1.mp4", "lächeln 1.mp4"),
        ("x" * 300 + ".mp4", "x" * 76 + ".mp4"),
    ],
)
def test_a_name_becomes_one_that_is_safe(name: str, safe: str) -> None:
    assert make_safe_name(name) == safe


class TestInABrowser:
    """The list, the chooser and the drop."""

    pytestmark = IN_BROWSER

    def test_the_list_shows_what_runs_and_a_film_can_be_chosen_or_dropped(
        self, demo: Served, chromium: Browser, expression_clip: Path, tmp_path: Path
    ) -> None:
        short = tmp_path / "short.mkv"
        write_clip(short, [np.zeros((48, 64, 3), np.uint8)] * 5, range(0, 200, 40))
        # Without the corner's replay, which may ask for a run that has just ended.
        with opened(chromium, demo, reduced_motion="reduce") as watched:
            page = watched.page
            wait_for_frames(page)
            assert page.input_value("[data-ref=choice]") == "demo"
            page.set_input_files("[data-ref=upload]", expression_clip)
            page.wait_for_function(
                "document.querySelector('[data-ref=chip]').innerText === 'File: expression.mkv'"
            )
            shown = "document.querySelector('[data-ref=choice]').selectedOptions[0].innerText"
            page.wait_for_function(f"{shown} === 'File: expression.mkv'")
            page.select_option("[data-ref=choice]", "demo")
            page.wait_for_function(f"{shown} === 'Demo face'")
            page.evaluate(
                """(coded) => {
                    const bytes = Uint8Array.from(atob(coded), (letter) => letter.charCodeAt(0));
                    const transfer = new DataTransfer();
                    transfer.items.add(new File([bytes], "dropped.mkv"));
                    const drop = new DragEvent("drop", { dataTransfer: transfer, bubbles: true });
                    document.querySelector("[data-ref=picture]").dispatchEvent(drop);
                }""",
                base64.b64encode(short.read_bytes()).decode(),
            )
            page.wait_for_function(f"{shown} === 'File: dropped.mkv'")
            watched.check(demo)

    def test_a_film_begins_again_if_asked_to(
        self, untrained: Path, chromium: Browser, expression_clip: Path
    ) -> None:
        config = LiveConfig(source=str(expression_clip), classifier=str(untrained))
        with (
            serving(config) as served,
            opened(chromium, served, reduced_motion="reduce") as watched,
        ):
            page = watched.page
            page.wait_for_selector(".fl[data-badge=ENDED]")
            assert served.session.snapshot().run == 1
            page.click("[data-ref=repeat]")
            page.wait_for_selector(".fl[data-badge=PLAYING]")
            page.wait_for_function(
                "document.querySelector('[data-ref=badge]').innerText !== 'PLAYING'"
            )
            page.wait_for_selector(".fl[data-badge=PLAYING]")
            assert served.session.snapshot().run >= 3
            watched.check(served)

    def test_a_film_is_searched_and_paused_under_its_picture(
        self, untrained: Path, chromium: Browser, expression_clip: Path
    ) -> None:
        config = LiveConfig(source=str(expression_clip), classifier=str(untrained))
        with (
            serving(config) as served,
            opened(chromium, served, reduced_motion="reduce", viewport=LAPTOP) as watched,
        ):
            page, session = watched.page, served.session
            page.wait_for_selector(".fl[data-badge=ENDED]")
            page.wait_for_function(
                "(({ value, max }) => value === max)(document.querySelector('[data-ref=film-at]'))"
            )
            assert page.evaluate("document.documentElement.scrollHeight") <= LAPTOP["height"]
            length_s = float(page.get_attribute("[data-ref=film-at]", "max") or 0)
            bar = page.get_by_role("slider", name="Time in the film")
            bar.fill(str(length_s - 1.0))
            page.wait_for_selector(".fl[data-badge=PLAYING]")
            page.wait_for_selector(".fl[data-badge=ENDED]")
            assert session.snapshot().run == 2
            first = session.results.history(0.0)[0].stamp
            assert first.time_s == pytest.approx(length_s - 1.0, abs=0.05)  # nothing before it
            page.wait_for_function(
                "document.querySelector('[data-ref=film-at]').ariaValueText === '0:03 / 0:03'"
            )
            bar.fill("0")
            page.wait_for_selector(".fl[data-badge=PLAYING]")
            film = page.get_by_role("group", name="Film")
            film.get_by_role("button", name="Pause").click()
            page.wait_for_selector(".fl[data-badge=PAUSED]")
            film.get_by_role("button", name="Play").click()
            page.wait_for_selector(".fl[data-badge=PLAYING]")
            watched.check(served)
