"""The service as its callers see it: rows and labels over one HTTP connection that stays open."""

from __future__ import annotations

import http.client
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar
from urllib.parse import urlsplit

import msgspec

from noria.errors import BackendError, Unavailable

PATIENCE = 30.0  # s; for one answer
SWAP = 180.0  # s; until a new version answers: a worker that loads for a second takes a minute on a machine that is busy
IDLE = 30.0  # s; well under the 75 that a service keeps an idle connection for, so that it never closes one in use


@dataclass(eq=False)
class RequestFailed(BackendError):
    code: ClassVar[str] = "REPLAY-REQUEST"
    what: ClassVar[str] = "the service answered {answered} to {path}: {body}"
    next: ClassVar[str] = "read the service's log"
    answered: int
    path: str
    body: str


@dataclass(eq=False)
class NoAnswer(Unavailable):
    code: ClassVar[str] = "REPLAY-UNANSWERED"
    what: ClassVar[str] = "the service gave no answer to {path}: {why}"
    next: ClassVar[str] = "read the service's log; it may have ended"
    path: str
    why: str


@dataclass(eq=False)
class SwapTooSlow(Unavailable):
    code: ClassVar[str] = "REPLAY-SWAP"
    what: ClassVar[str] = "the service did not answer as {model}:{version} within {seconds:.0f} s"
    next: ClassVar[str] = "read the service's log: what it says after swap.begun"
    model: str
    version: int
    seconds: float


class Client:
    """A caller of one model's service, over a connection that stays open while it is used: a training between two
    questions may take longer than the service waits for the next one.

    Raises `RequestFailed` and `NoAnswer`, and `SwapTooSlow` when it waits in vain.
    """

    def __init__(self, url: str, model: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(
            parts.hostname or "127.0.0.1", parts.port, timeout=PATIENCE
        )
        self._model = model
        self._used = time.monotonic()
        self.requests = 0

    def predict(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Answers with their ids and the version that gave them."""
        return self._post(f"/v1/models/{self._model}/predict", {"rows": rows})

    def feedback(self, items: Sequence[dict[str, Any]]) -> None:
        """Labels that have arrived."""
        self._post(f"/v1/models/{self._model}/feedback", {"feedback": items})

    def wait_for(self, version: int) -> float:
        """Until the service answers as `version`; the seconds that it took."""
        started = time.monotonic()
        while self._get(f"/v1/models/{self._model}")["version"] != version:
            if time.monotonic() - started > SWAP:
                raise SwapTooSlow(model=self._model, version=version, seconds=SWAP)
            time.sleep(0.02)
        return time.monotonic() - started

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._ask("POST", path, msgspec.json.encode(body))

    def _get(self, path: str) -> dict[str, Any]:
        return self._ask("GET", path, None)

    def _ask(self, method: str, path: str, body: bytes | None) -> dict[str, Any]:
        status, content = self._exchanged(method, path, body)
        self.requests += 1
        if status != 200:
            raise RequestFailed(answered=status, path=path, body=content.decode(errors="replace"))
        answer: dict[str, Any] = msgspec.json.decode(content)
        return answer

    def _exchanged(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        if time.monotonic() - self._used >= IDLE:
            self._connection.close()  # the next request opens another one
        try:
            self._connection.request(method, path, body, {"content-type": "application/json"})
            response = self._connection.getresponse()
            content = response.read()
        except (http.client.HTTPException, OSError) as error:
            raise NoAnswer(path=path, why=str(error) or type(error).__name__) from error
        self._used = time.monotonic()
        return response.status, content
