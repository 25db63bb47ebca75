"""Takes a film from the page, shows it, and deletes it once another source is chosen.

The film lies in a private temporary folder until then: pausing, stopping and starting again need
it. Nobody else on the machine can read it, and it is gone when the program ends; of a program that
is killed, when the page is next served.
"""

import re
import shutil
import tempfile
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread
from fastapi import APIRouter, Query, Request
from starlette.requests import ClientDisconnect

from model.errors import InputError
from realtime.live import LiveSession
from realtime.sources.camera_modes import find_cameras
from realtime.sources.scratch_folder import ScratchFolder
from realtime.ui.closed_routes import UPLOAD_PATH
from realtime.ui.failures import report_failure

MOST_BYTES = 2 * 2**30
SPARE_BYTES = 2**30
"""Must stay free on the disk: recordings need it."""
QUIET_S = 20.0
"""An upload that sends nothing for this long is given up."""
LONGEST_NAME = 80


class Uploads:
    """The films that pages have sent. `tidy` after each command."""

    def __init__(self, session: LiveSession) -> None:
        self._session = session
        self._scratch = ScratchFolder()
        self.folder = self._scratch.path
        self._busy = threading.Lock()

    def tidy(self) -> None:
        """Delete the films that are not the source, unless one is on its way."""
        if self._busy.acquire(blocking=False):
            try:
                self._delete_all_but(Path(self._session.config.source))
            finally:
                self._busy.release()

    async def take(self, name: str, stream: AsyncIterator[bytes]) -> None:
        """Store a film, and switch to it. Raises `InputError` if it cannot be taken or opened."""
        if self._session.records:
            raise InputError("a recording is in progress: stop it before sending a file")
        if not self._busy.acquire(blocking=False):
            raise InputError("another file is on its way: wait until it has arrived")
        path = Path(tempfile.mkdtemp(dir=self.folder)) / make_safe_name(name)
        try:
            await self._store(path, stream)
            await to_thread.run_sync(self._session.switch, str(path))
        finally:
            self._delete_all_but(Path(self._session.config.source))
            self._busy.release()

    async def _store(self, path: Path, stream: AsyncIterator[bytes]) -> None:
        free = shutil.disk_usage(self.folder).free - SPARE_BYTES
        path.touch(mode=0o600)
        size = 0
        async with (
            aclosing(_within(stream, QUIET_S)) as pieces,
            await anyio.open_file(path, "wb") as file,
        ):
            async for piece in pieces:
                size += len(piece)
                if size > MOST_BYTES:
                    raise InputError(
                        f"{path.name} is larger than {MOST_BYTES / 2**30:g} GiB: give its path to "
                        "--source instead"
                    )
                if size > free:
                    raise InputError(f"{path.name} does not fit on this machine's disk")
                await file.write(piece)
        if not size:
            raise InputError(f"{path.name} is empty: choose a film")

    def _delete_all_but(self, source: Path) -> None:
        for folder in self.folder.iterdir():
            if not source.is_relative_to(folder):
                shutil.rmtree(folder, ignore_errors=True)


async def _within(stream: AsyncIterator[bytes], quiet_s: float) -> AsyncGenerator[bytes, None]:
    """Yield what `stream` does. Raises `InputError` if it pauses for longer than `quiet_s`."""
    while True:
        with anyio.move_on_after(quiet_s) as limit:
            try:
                piece = await anext(stream)
            except StopAsyncIteration:
                return
        if limit.cancelled_caught:
            raise InputError(f"the file stopped arriving for {quiet_s:g} s: send it again")
        yield piece


def make_safe_name(name: str) -> str:
    """Return a file name that every system takes, with the suffix of `name`."""
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = re.sub(r"[^\w. -]", "_", last).strip(". ")[-LONGEST_NAME:]
    return kept.lstrip(". -") or "film"


def build_source_routes(uploads: Uploads) -> APIRouter:
    """Return the routes with which the page chooses a source."""
    router = APIRouter()

    @router.get("/live/cameras.json")
    def cameras() -> dict[str, Any]:
        return {"cameras": [{"spec": c.spec, "words": c.words} for c in find_cameras()]}

    @router.post(UPLOAD_PATH)
    async def upload(request: Request, name: str = Query(max_length=1000)) -> dict[str, Any]:
        try:
            await uploads.take(name, request.stream())
        except ClientDisconnect:
            pass  # the page has left
        except Exception as error:
            return {"error": report_failure(error)}
        return {}

    return router
