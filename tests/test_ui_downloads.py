"""What was exported on the page is saved from the page: whole, and nothing else."""

import io
import os
import zipfile
from datetime import datetime
from pathlib import Path

import pytest
from fakes import copied
from fastapi import FastAPI
from starlette.testclient import TestClient

from model.errors import InputError
from realtime.sessions.markers import Marker, format_marker
from realtime.sessions.reader import open_session
from realtime.ui.downloads import find_export
from realtime.ui.review import build_review_routes


@pytest.fixture
def sessions(recorded: Path, tmp_path: Path) -> Path:
    copied(recorded, tmp_path / "sessions")
    return tmp_path / "sessions"


@pytest.fixture
def client(sessions: Path) -> TestClient:
    app = FastAPI()
    app.include_router(build_review_routes(sessions))
    return TestClient(app)


@pytest.mark.parametrize("to", ["csv", "bids"])
def test_each_file_is_saved_and_all_as_a_zip(client: TestClient, to: str) -> None:
    written = client.post("/live/review/P07/export", json={"to": to, "look": True}).json()
    out = Path(written["folder"])
    if os.name == "posix":
        assert out.stat().st_mode & 0o777 == 0o700
    for name in written["files"]:
        answer = client.get(f"/live/review/P07/exported/{name}")
        assert answer.content == (out / name).read_bytes()
        assert answer.headers["content-disposition"].startswith("attachment")
        assert Path(name).name in answer.headers["content-disposition"]
        assert answer.headers["cache-control"] == "no-store"
    asked = {"file": written["files"], "coder": "C1"}
    answer = client.get("/live/review/P07/exported.zip", params=asked)
    assert answer.headers["content-disposition"].endswith("_C1.zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        assert packed.testzip() is None
        assert packed.namelist() == written["files"]
        year = datetime.fromtimestamp((out / written["files"][0]).stat().st_mtime).year
        assert {entry.date_time[0] for entry in packed.infolist()} == {year}
        assert all(packed.read(name) == (out / name).read_bytes() for name in written["files"])


def test_nothing_else_is_saved(client: TestClient, sessions: Path) -> None:
    client.post("/live/review/P07/export", json={"to": "boris", "look": True})
    out = sessions / "P07-export"
    (sessions / "secret.txt").write_text("secret")
    if os.name == "posix":
        (out / "link.txt").symlink_to(sessions / "secret.txt")
    others = ["..%2fP07%2fsession.json", "%2e%2e/secret.txt", "../secret.txt", "link.txt", "none"]
    others += [str(sessions / "secret.txt").replace("/", "%2f"), "", ".", "a%00b"]
    for name in others:
        answer = client.get(f"/live/review/P07/exported/{name}")
        assert answer.status_code == 404
        assert b"secret\n" not in answer.content
        zipped = client.get(f"/live/review/P07/exported.zip?file={name}")
        assert zipped.status_code == 404
    assert client.get("/live/review/P08/exported/none").status_code == 404
    assert client.get("/live/review/P07/exported.zip?file=a&coder=../x").status_code == 404
    for name in ("../secret.txt", "\0", "x" * 10_000, str(sessions / "secret.txt")):
        with pytest.raises(InputError, match="no such file was exported"):
            find_export(out, name)


def test_the_report_is_saved_under_the_code(client: TestClient) -> None:
    shown = client.get("/live/review/P07/report.html", params={"look": "yes"})
    assert "content-disposition" not in shown.headers
    saved = client.get("/live/review/P07/report.html", params={"look": "yes", "save": "yes"})
    assert saved.content == shown.content
    assert "P07_" in saved.headers["content-disposition"]
    assert saved.headers["content-disposition"].endswith("_report.html")


def test_an_interrupted_deletion_is_offered_to_be_finished(
    client: TestClient, sessions: Path
) -> None:
    session = open_session(sessions / "P07")
    assert "frames" in client.get("/live/review/P07/session").json()
    (file,) = client.post("/live/review/P07/export", json={"to": "parquet", "look": True}).json()[
        "files"
    ][:1]
    pictures = ["exported/" + file, "exported.zip?file=" + file, "frame/1.jpg", "times.f64"]
    pictures += ["report.html?look=yes", "replay/1-2-3/replay.jpg"]
    assert client.get("/live/review/P07/" + pictures[0]).status_code == 200
    start_s = session.zero_s + 1.0
    marker = Marker("redact", "", "", start_s, 0.0, "", start_s + 0.5)
    with session.folder.markers.open("a", encoding="utf-8") as file:
        file.write(format_marker(marker) + "\n")
    answer = client.get("/live/review/P07/session").json()
    assert answer.keys() == {"recovery_needed"}
    assert "a deletion in" in answer["recovery_needed"]
    for shown in pictures:
        refused = client.get("/live/review/P07/" + shown)
        assert (refused.status_code, "deletion" in refused.text) == (404, True)
    assert client.post("/live/review/P07/recover", json={}).json()["redactions"] == 1
    assert "frames" in client.get("/live/review/P07/session").json()
    assert open_session(sessions / "P07").document["state"] == "complete"
