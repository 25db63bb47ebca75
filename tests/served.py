"""A page served in this process, for the tests of the page and of its sockets."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from realtime.config import LiveConfig
from realtime.live import LiveSession
from realtime.ui.calibration import Calibrator
from realtime.ui.server import build_server, make_page_address, open_listener

AUTH = ("ana", "pässword: with colon")


@dataclass
class Served:
    """A running page."""

    address: str
    session: LiveSession

    @property
    def port(self) -> int:
        return int(self.address.rsplit(":", 1)[1].strip("/"))


@contextmanager
def serving(config: LiveConfig, calibrator: Calibrator | None = None) -> Iterator[Served]:
    listener = open_listener(config.host, 0)
    session = LiveSession(config, None if calibrator is None else calibrator.take)
    server = build_server(session, config, calibrator)
    with listener, session:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield Served(make_page_address(config, listener), session)
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()
