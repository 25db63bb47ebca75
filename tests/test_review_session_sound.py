"""What was heard in a session: in its place, as loud as it was, and silence where it is missing."""

import io
import tracemalloc
import wave
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from browsing import in_browser
from fastapi import FastAPI
from numpy.typing import NDArray
from playwright.sync_api import Browser
from spoken import HZ, hearing, spoken, tone
from starlette.testclient import TestClient
from test_recording_sound_track import BEGUN_S, BLOCK, FPS, ZERO_S, picture, sounding
from test_ui_review import reviewing

from model.errors import InputError
from model.records import Stamp
from realtime.export import export
from realtime.recording.sound_track import SampleClock, SoundBlock
from realtime.review.motion_lanes import read_motion
from realtime.review.quality import measure_quality
from realtime.review.session_report import make_report
from realtime.review.session_sound import (
    FLOOR_DB,
    UNREADABLE_FILE,
    SessionSound,
    make_wav_header,
    open_sound,
)
from realtime.sessions.ledger import REDACTED
from realtime.sessions.reader import Session, open_session
from realtime.sessions.redact import redact_span
from realtime.ui.review import build_review_routes
from realtime.ui.sound_stream import AT_ONCE_BYTES


def whole(session: Session) -> NDArray[Any]:
    sound = SessionSound(session)
    return sound.samples(0, sound.count).astype(float)


def test_sound_is_in_step_and_does_not_click(tmp_path: Path) -> None:
    """25 s of a tone from a device that runs a thousandth too fast, a new file every ten seconds,
    since the size changes: its phase stays within 2 ms of what it was, and no sample leaps."""
    made, device, jitter = sounding(tmp_path / "s"), SampleClock(HZ), Random(1)
    period_s, number, tone_hz = BLOCK / HZ / 1.001, 0, 50
    for index in range(25 * FPS):
        larger = np.zeros((48 + 2 * (index // (10 * FPS)), 64, 3), np.uint8)
        shown = replace(picture(index), image=larger)
        while (begin_s := BEGUN_S + number * period_s) + period_s <= shown.stamp.time_s:
            at_s = begin_s - ZERO_S + np.arange(BLOCK) * period_s / BLOCK
            samples = (10000 * np.sin(2 * np.pi * tone_hz * at_s)).astype("<i2").tobytes()
            begun_s = device.begin_s(begin_s + jitter.choice([0.0, 0.004]), BLOCK)
            made.take_sound(SoundBlock(begun_s, samples))
            number += 1
        made.write(shown)
    made.close("end")
    session = hearing(open_session(tmp_path / "s"))
    assert session.folder.parts() == [1, 2, 3]
    inside = whole(session)[HZ:-HZ]
    # Where one file ends and the next begins, one step is allowed, of a millisecond.
    steps = np.abs(np.diff(inside))
    steepest = 2 * np.pi * tone_hz / HZ * 10000
    assert np.sum(steps > 1.1 * steepest) <= 2
    for first in range(0, len(inside) - 800, 800):
        at_s = 1 + np.arange(first, first + 800) / HZ
        turned = np.exp(-2j * np.pi * tone_hz * at_s) @ inside[first : first + 800]
        assert abs(np.angle(turned * 1j)) / (2 * np.pi * tone_hz) < 2e-3


@pytest.fixture
def session(recorded: Path, tmp_path: Path) -> Session:
    return spoken(recorded, tmp_path / "sessions")


def test_what_is_missing_is_silent_and_has_its_cause(session: Session) -> None:
    samples = whole(session)
    assert len(samples) == round(session.seconds * HZ)
    expected = np.trunc(tone(np.arange(len(samples)) / HZ))
    expected[HZ // 2 : HZ * 8 // 10] = 0
    assert np.array_equal(samples, expected)
    sound = SessionSound(session)
    assert sound.find_gaps() == [(0.5, 0.8, "microphone away")]
    pieces = [sound.samples(first, min(first + 777, sound.count)) for first in range(0, 27500, 777)]
    assert np.array_equal(np.concatenate(pieces), samples)


def test_loudness_is_in_db_and_missing_where_nothing_is_known(session: Session) -> None:
    levels = SessionSound(session).loudness(0, 3, 30)
    rms = 20 * np.log10(0.45 / 2**0.5)
    assert levels[5:8] == [None] * 3
    assert levels[12:24] == pytest.approx([rms] * 12, abs=0.2)
    assert all(FLOOR_DB < level < -60 for level in levels[:5] if level is not None)
    fine = SessionSound(session).loudness(1.2, 1.25, 100)  # finer than it is known: no holes
    assert None not in fine
    assert SessionSound(session).loudness(-1, 0, 2) == [None, None]
    assert SessionSound(session).loudness(1e6, 2e6, 2) == [None, None]


def test_of_what_was_redacted_nothing_is_heard(session: Session) -> None:
    redact_span(session.folder.path, 1.2, 1.9)
    later = open_session(session.folder.path)
    samples = whole(later)
    assert not samples[round(1.2 * HZ) : round(1.9 * HZ)].any()
    assert samples[round(2.1 * HZ) : round(2.2 * HZ)].any()
    assert [why for _, _, why in SessionSound(later).find_gaps()] == ["microphone away", REDACTED]


def test_a_pause_of_hours_costs_no_memory(tmp_path: Path) -> None:
    """What is heard after it, before the next picture, lies in the file of before."""
    made, later_s = sounding(tmp_path / "s"), 20_000.0
    for again_s in (0.0, later_s):
        for index in range(2 * FPS):
            shown = picture(index)
            time_s = shown.stamp.time_s + again_s
            if index % 5 == 0:
                for begin_s in (time_s - 0.09, time_s + 0.01):
                    made.take_sound(
                        SoundBlock(begin_s, tone(np.arange(BLOCK) / HZ).astype("<i2").tobytes())
                    )
            made.write(replace(shown, stamp=Stamp(index + int(again_s), time_s)))
    made.close("end")
    session = hearing(open_session(tmp_path / "s"))
    assert session.folder.parts() == [1, 2]
    tracemalloc.start()
    try:
        sound = SessionSound(session)
        begin_s, end_s, _ = max(sound.find_gaps(), key=lambda span: span[1] - span[0])
        least = 2 * HZ * later_s
        assert tracemalloc.get_traced_memory()[1] < least / 4
    finally:
        tracemalloc.stop()
    assert (begin_s, end_s) == pytest.approx((2.0, later_s - 0.1), abs=0.1)
    assert sound.samples(int(HZ * (end_s + 0.01)), int(HZ * (end_s + 0.02))).any()


def test_a_file_that_cannot_be_read_is_told_and_costs_no_table(
    session: Session, tmp_path: Path
) -> None:
    session.folder.video(1).write_bytes(bytes(1000))
    sound = SessionSound(session)
    assert sound.loudness(0, 2, 2) == [None, None]
    assert [why for _, _, why in sound.find_gaps()] == [f"{UNREADABLE_FILE}; microphone away"]
    assert len(list(export(session, ["csv"], tmp_path / "out"))) == 4
    assert UNREADABLE_FILE in make_report(session)
    with pytest.raises(InputError, match="cannot be read"):  # silence would be a lie
        sound.samples(0, 10)


def test_a_session_without_sound_says_so(recorded: Path) -> None:
    session = open_session(recorded)
    assert open_sound(session) is None
    with pytest.raises(InputError, match="has no sound"):
        SessionSound(session)


def test_the_header_is_that_of_a_wav_file() -> None:
    data = make_wav_header(48_000, 3) + bytes(6)
    with wave.open(io.BytesIO(data)) as read:
        assert read.getparams()[:4] == (1, 2, 48_000, 3)
        assert read.readframes(4) == bytes(6)
    with pytest.raises(InputError, match="a WAV file holds 12"):
        make_wav_header(48_000, 2**31)


@pytest.fixture
def client(session: Session) -> TestClient:
    app = FastAPI()
    app.include_router(build_review_routes(session.folder.path.parent))
    return TestClient(app)


def test_the_sound_comes_in_stretches_as_browsers_ask(
    session: Session, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = "/live/review/P07/sound.wav"
    everything = client.get(address)
    assert everything.headers["cache-control"] == "no-store"
    with wave.open(io.BytesIO(everything.content)) as read:
        assert read.getframerate() == HZ
        samples = np.frombuffer(read.readframes(read.getnframes()), "<i2")
    assert np.array_equal(samples, whole(session))
    monkeypatch.setattr("realtime.ui.sound_stream.AT_ONCE_BYTES", 10_001)
    collected = b""
    while len(collected) < len(everything.content):
        answer = client.get(address, headers={"Range": f"bytes={len(collected)}-"})
        assert answer.status_code == 206
        last = len(collected) + len(answer.content) - 1
        size = len(everything.content)
        assert answer.headers["content-range"] == f"bytes {len(collected)}-{last}/{size}"
        assert len(answer.content) <= 10_001 < AT_ONCE_BYTES
        collected += answer.content
    assert collected == everything.content
    for first, last in ((0, 0), (43, 44), (45, 46), (1001, 2002)):
        answer = client.get(address, headers={"Range": f"bytes={first}-{last}"})
        assert answer.content == everything.content[first : last + 1]
    beyond = client.get(address, headers={"Range": f"bytes={len(collected)}-"})
    assert beyond.status_code == 416


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ("bytes=-5", 200),
        ("bytes=1-2,4-5", 200),
        ("items=0-1", 200),
        ("bytes=5-2", 416),
        ("bytes=999999999-", 416),
        (f"bytes={'9' * 5000}-", 200),
        (f"bytes=0-{'9' * 5000}", 200),
    ],
)
def test_stretches_that_are_none_are_answered(client: TestClient, wanted: str, status: int) -> None:
    answer = client.get("/live/review/P07/sound.wav", headers={"Range": wanted})
    assert answer.status_code == status


def test_a_session_is_opened_without_a_table_that_was_taken_away(
    session: Session, client: TestClient
) -> None:
    session.folder.markers.unlink()
    assert client.get("/live/review/P07/session").json()["markers"] == []


def test_what_is_forgotten_is_no_longer_sent(session: Session, client: TestClient) -> None:
    before = client.get("/live/review/P07/loudness?start_s=1.2&end_s=1.9&bins=7").json()["db"]
    assert None not in before
    redact_span(session.folder.path, 1.2, 1.9)
    after = client.get("/live/review/P07/loudness?start_s=1.2&end_s=1.9&bins=7").json()["db"]
    assert after == [None] * 7
    sent = client.get("/live/review/P07/sound.wav").content
    assert not any(sent[44 + 2 * round(1.2 * HZ) : 44 + 2 * round(1.9 * HZ)])


def test_without_sound_there_is_none_to_send(recorded: Path) -> None:
    app = FastAPI()
    app.include_router(build_review_routes(recorded.parent))
    client = TestClient(app)
    assert client.get("/live/review/P07/sound.wav").status_code == 404
    answer = client.get("/live/review/P07/loudness?start_s=0&end_s=1").json()
    assert "has no sound" in answer["error"]
    assert client.get("/live/review/P07/session").json()["sound"] is None


def test_the_report_tells_of_the_sound_and_holds_none(session: Session) -> None:
    text = make_report(session)
    assert "room, 8000 Hz" in text
    assert "0.3 s microphone away (8.72%)" in text
    assert 'class="loud"' in text
    assert (
        "the microphone room (8000 Hz, one channel of 16 bit, uncompressed), at times counted back "
        "from when they reached the program on the clock of the frames; 0.3 s of it (8.72%) are "
        "missing"
    ) in text
    assert "a voice tells who speaks" in text
    assert "<audio" not in text
    assert "data:" not in text
    quality = measure_quality(session, read_motion(session.folder), SessionSound(session))
    assert quality.silent_s == pytest.approx({"microphone away": 0.3})


def test_a_report_without_sound_says_nothing_of_it(recorded: Path) -> None:
    text = make_report(open_session(recorded))
    assert "not recorded" in text
    assert "microphone" not in text
    assert "loud" not in text.partition("<body>")[2]


FOLLOW = """async () => {
    const ref = (name) => document.querySelector(`[data-ref=${name}]`);
    const [voice, film] = [ref("voice"), ref("film")];
    const context = new AudioContext();
    const ear = new AnalyserNode(context);
    context.createMediaElementSource(voice).connect(ear).connect(context.destination);
    await context.resume();
    ref("hear").click();
    const [seen, wave] = [[], new Float32Array(ear.fftSize)];
    while (ref("play").textContent === "Pause") {
        await new Promise(requestAnimationFrame);
        ear.getFloatTimeDomainData(wave);
        seen.push([voice.currentTime, Number(film.dataset.place), Math.max(...wave)]);
    }
    return seen;
}"""


@in_browser
def test_what_was_said_is_heard_in_step_and_only_when_asked_for(
    chromium: Browser, session: Session, untrained: Path
) -> None:
    with reviewing(chromium, session.folder.path.parent, untrained) as watched:
        page = watched.page
        voice = "document.querySelector('[data-ref=voice]')"
        place = "Number(document.querySelector('[data-ref=film]').dataset.place)"
        page.click("[data-ref=play]")  # silent, as nobody asked for sound
        page.wait_for_function(f"{place} > 3")
        assert page.evaluate(f"[{voice}.paused, {voice}.currentTime]") == [True, 0]
        page.click("[data-ref=play]")
        page.click(".fl-coding li button")
        seen = page.evaluate(FOLLOW)
        times = [frame.stamp.time_s - session.zero_s for frame in session.frames]
        apex = session.confirmed[0].window.apex.time_s - session.zero_s
        assert seen[-1][0] - seen[0][0] > 1
        assert max(loud for _, _, loud in seen) > 0.4
        assert all(times[shown] < heard_s + 0.05 for heard_s, shown, _ in seen[:-1])
        assert len({shown for _, shown, _ in seen}) > 10
        page.wait_for_function(f"{place} === {times.index(apex)}")
        assert page.inner_text("[data-ref=sound]") == "Sound off"
        page.keyboard.press("s")
        assert page.inner_text("[data-ref=sound]") == "Sound on"
        page.keyboard.press(" ")
        page.wait_for_function(f"!{voice}.paused")
        page.select_option("[data-ref=speed]", "0.25")
        assert page.inner_text("[data-ref=sound]") == "Sound on at full speed"
        assert page.evaluate(f"{voice}.paused")
        assert watched.said == []
