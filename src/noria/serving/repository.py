"""The protocol's model repository, as far as a service has one: the versions of its model, and the one that answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from noria.ports.records import VersionRecords
from noria.serving.errors import BadShape, NotByRequest
from noria.serving.follow import Follower
from noria.serving.messages import Request, parsed
from noria.serving.service_errors import NotLoadable

READY, UNAVAILABLE = "READY", "UNAVAILABLE"


class Wanted(msgspec.Struct):
    """The body of a request for the index."""

    ready: bool = False


@dataclass(frozen=True)
class Repository:
    """What the keeper knows of versions, and may do with them by request."""

    model: str
    follows: str
    versions: VersionRecords
    follower: Follower
    loaded: Callable[[], Collection[int]]
    """Versions whose workers answer: who is followed, challengers and shadows."""

    async def index(self, request: Request, unloaded: str = "") -> list[dict[str, Any]]:
        """Every version of the model, its state and why it is not ready; the newest first. `unloaded`: why nobody answers
        with any. Raises `BadShape`."""
        wanted = _wanted(request)
        made = await asyncio.to_thread(lambda: list(self._entries(unloaded)))
        return [entry for entry in made if entry["state"] == READY or not wanted.ready]

    async def load(self, asked: str) -> None:
        """Let the version that is followed answer, now. Raises `NotByRequest`, `NotLoadable`."""
        self.check(asked, "loaded")
        await self.follower.try_now()
        if self.follower.problem:
            raise NotLoadable(problem=self.follower.problem)

    async def unload(self, asked: str) -> None:
        """Raises `NotByRequest`: a service without its model would answer nobody."""
        raise self._refused(asked, "unloaded")

    def _entries(self, unloaded: str) -> Iterator[dict[str, Any]]:
        loaded = self.loaded()
        for version in self.versions.versions(self.model):
            ready = version.number in loaded
            yield {
                "name": self.model,
                "version": str(version.number),
                "state": READY if ready else UNAVAILABLE,
                "reason": "" if ready else unloaded or self._reason(version.name),
            }

    def _reason(self, name: str) -> str:
        problem = self.follower.problem
        return (
            problem if problem.startswith(f"{name} ") else f"{self.model}@{self.follows} is another version"
        )

    def check(self, asked: str, wanted: str) -> None:
        """Raises `NotByRequest` for anything but what the service follows."""
        if asked not in (self.model, f"{self.model}@{self.follows}", f"{self.model}:{self.follows}"):
            raise self._refused(asked, wanted)

    def _refused(self, asked: str, wanted: str) -> NotByRequest:
        return NotByRequest(asked=asked[:200], wanted=wanted, model=self.model, follows=self.follows)


def _wanted(request: Request) -> Wanted:
    try:
        return msgspec.convert(parsed(request) if request.body.strip() else {}, Wanted)
    except msgspec.ValidationError as error:
        raise BadShape(
            problem=f"the body is no request for an index: {error}", fix='send {"ready": true}, or nothing'
        ) from error
