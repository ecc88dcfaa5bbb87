"""The replay's caller beside a service that closes connections which nobody uses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from noria.replay import client
from noria.replay.client import Client, NoAnswer, SwapTooSlow


class Impatient(BaseHTTPRequestHandler):
    """Answers once, promises to wait for more, and hangs up."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "13")
        self.end_headers()
        self.wfile.write(b'{"version":2}')
        self.close_connection = True

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Impatient) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_connection_that_was_left_alone_is_opened_anew(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "IDLE", 0.0)  # as after a long training
    with Client(url, "delay") as asking:
        asking.wait_for(2)
        asking.wait_for(2)
        assert asking.requests == 2


def test_a_service_that_hangs_up_is_told_as_such(url: str) -> None:
    with Client(url, "delay") as asking:
        asking.wait_for(2)
        with pytest.raises(NoAnswer, match="/v1/models/delay"):
            asking.wait_for(2)


def test_a_version_that_does_not_come_is_told_as_such(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "IDLE", 0.0)
    monkeypatch.setattr(client, "SWAP", 0.0)
    with Client(url, "delay") as asking, pytest.raises(SwapTooSlow, match="did not answer as delay:3"):
        asking.wait_for(3)
