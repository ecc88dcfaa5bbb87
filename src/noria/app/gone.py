"""Whether a version can still be used: its objects are there, or were given up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

import msgspec

from noria.app.marking import Marks
from noria.app.reached import given_up_before
from noria.errors import NotFound
from noria.records.base import Digest, Record, short
from noria.records.versions import Version

if TYPE_CHECKING:
    from noria.app.wiring import App

THREADS = 8  # questions at once: a bucket takes 30 ms for each, and a version has some fifty objects


class Gone(Record, kw_only=True):
    """What a collection took of a version."""

    at: datetime
    policy: str
    """What was kept then."""
    missing: int
    """Objects that are there no more."""


@dataclass(eq=False)
class VersionGone(NotFound):
    code: ClassVar[str] = "VERSION-GONE"
    what: ClassVar[str] = "{version} cannot be used any more: {why}"
    next: ClassVar[str] = "train it anew: git checkout {commit}, then noria run --as-of {as_of}"
    version: str
    why: str
    commit: str
    as_of: str


def require_whole(app: App, version: Version) -> None:
    """Raises `VersionGone` unless all that it takes to serve, judge and rebuild a version is there; it then stays
    for long enough to let an alias name it."""
    quality = version.quality
    _require(
        app,
        version,
        _needs(app, [_served(version), version.holdout, quality and quality.losses, version.rows]),
    )


def require_servable(app: App, version: Version) -> None:
    """Raises `VersionGone` unless all that a service needs of a version is there."""
    _require(app, version, _needs(app, _served(version)))


def gone(app: App, version: Version) -> Gone | None:
    """What was taken of a version whose run was given up; None when all that a service needs is there."""
    found = given_up_before(app, version.model).get(version.run)
    missing = _missing(app, _needs(app, _served(version))) if found else []
    return Gone(at=found[0], policy=found[1], missing=len(missing)) if found and missing else None


def _require(app: App, version: Version, needed: set[Digest]) -> None:
    missing = _missing(app, needed)
    if not missing:
        return
    found = given_up_before(app, version.model).get(version.run)
    raise VersionGone(
        version=version.name,
        why=f"noria gc gave it up at {found[0]:%Y-%m-%d %H:%M:%SZ} (it kept {found[1]})"
        if found
        else f"{len(missing)} of its objects are gone from the store, {short(missing[0])} among them",
        commit=version.source.commit[:12],
        as_of=f"{version.as_of:%Y-%m-%dT%H:%M:%SZ}",
    )


def _served(version: Version) -> list[object]:
    return [list(version.graph.frozen.values()), version.source]


def _needs(app: App, records: object) -> set[Digest]:
    return Marks(app.artifacts).of(msgspec.json.encode(records))


def _missing(app: App, digests: set[Digest]) -> list[Digest]:
    ordered = sorted(digests)
    from concurrent.futures import ThreadPoolExecutor  # with logging, 10 ms of each reading command

    with ThreadPoolExecutor(THREADS) as pool:
        there = list(pool.map(app.store.has, ordered))
    return [digest for digest, here in zip(ordered, there, strict=True) if not here]
