"""Sessions with sound: made of one without, or told that they have it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.packet import Packet
from fakes import copied
from numpy.typing import NDArray

from realtime.sessions.crash_safe_video import SOUND_CODEC, TIME_BASE
from realtime.sessions.reader import Session, open_session

HZ = 8000
BLOCK = HZ // 20
Said = Callable[[NDArray[Any]], NDArray[Any]]


def tone(at_s: NDArray[Any]) -> NDArray[Any]:
    """A voice from 1 s to 2.5 s, 440 Hz, −10 dB; a quiet room else."""
    voice = 0.45 * np.sin(2 * np.pi * 440 * at_s) * ((at_s >= 1) & (at_s < 2.5))
    return np.asarray(32768 * (voice + 1e-3 * np.sin(2 * np.pi * 50 * at_s)))


def hearing(session: Session, hz: int = HZ) -> Session:
    """`session`, whose document says that sound was recorded, and that the consent covers it."""
    document = session.document
    heard = {"microphone": "room", "hz": hz, "codec": SOUND_CODEC, "clock": "receipt"}
    consent = {"scope": "sound", **(document.get("consent") or {}), "voice": True}
    video = {**document["video"], "audio": heard}
    return replace(session, document={**document, "video": video, "consent": consent})


def spoken(
    folder: Path, to: Path, said: Said = tone, missing: tuple[float, float] = (0.5, 0.8)
) -> Session:
    """A copy in `to` of the session in `folder`, with what is `said` at each s of the video in it;
    but for where it is `missing`, because the microphone was away."""
    session = hearing(open_session(copied(folder, to)))
    video = session.folder.video(1)
    partial = video.with_suffix(".partial")
    with av.open(str(video)) as source, av.open(str(partial), "w", format="matroska") as out:
        pictures = out.add_stream_from_template(source.streams.video[0])
        sound = out.add_stream(SOUND_CODEC, rate=HZ, layout="mono")
        told = 0
        for packet in source.demux(source.streams.video[0]):
            if packet.pts is None or packet.time_base is None:
                continue
            while (begin_s := told * BLOCK / HZ) <= packet.pts * packet.time_base:
                told += 1
                if missing[0] <= begin_s < missing[1] - 1e-9:
                    continue
                block = Packet(said(begin_s + np.arange(BLOCK) / HZ).astype("<i2").tobytes())
                block.stream, block.time_base = sound, TIME_BASE
                block.pts = block.dts = round(1000 * begin_s)
                block.is_keyframe = True
                out.mux(block)
            packet.stream = pictures
            out.mux(packet)
    partial.replace(video)
    begin_s, end_s = (session.zero_s + s for s in missing)
    session.folder.sound.write_text(f"from_s,to_s,cause\n{begin_s},{end_s},microphone away\n")
    session.folder.write_document(session.document)
    return open_session(session.folder.path)
