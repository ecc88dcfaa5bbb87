"""`noria predict`: a version's answers to all rows of some files, part by part, on the engine."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from noria.app.batch.errors import Unshared
from noria.app.batch.inputs import absolute, as_files, find, look, pattern, pieces, require_apart
from noria.app.batch.layout import names_of
from noria.app.batch.output import Output, require_folder, require_same, taken
from noria.app.batch.performing import Progress, Told, performed
from noria.app.gone import require_servable
from noria.app.promote import find_version
from noria.records.base import Digest, short
from noria.records.batches import Batch, Begun, Manifest, OnRefused, PartDone, Work, batch_id
from noria.records.events import BatchAnswered
from noria.records.versions import Version

if TYPE_CHECKING:
    from noria.app.wiring import App

BATCH_ROWS = (
    65_536  # in memory at once: the fixed cost of a graph is gone in the noise, and 100 columns take 50 MB
)


@dataclass(frozen=True)
class Asked:
    """What somebody wants answered."""

    input: str
    output: str
    columns: Sequence[str] = ()
    batch_rows: int = BATCH_ROWS
    on_refused: OnRefused = "fail"
    engine: Literal["local", "ray"] | None = None
    """None: the project's own."""
    log: bool = True
    """Whether the records are to know of it."""
    resume: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class Predictions:
    """What a batch came to."""

    manifest: Manifest
    output: str
    known: int
    """Parts that an earlier call had done."""
    seconds: float
    logged: bool


def predict(
    app: App,
    text: str,
    asked: Asked,
    *,
    told: Told = lambda progress: None,
    note: Callable[[str], None] = print,
) -> Predictions:
    """Answer all rows of the input. A kill at any moment leaves whole parts alone, and `resume` goes on with the others.

    Raises `UnknownVersion`, `VersionGone`, what the input and the output may be wrong with (`app.batch.errors`), and
    `PartsFailed` when some parts could not be done: the others are.
    """
    began = time.monotonic()
    app = _with_engine(app, asked.engine)
    version = find_version(app, text)
    require_servable(app, version)
    names_of(version.signature, asked.columns, refused=asked.on_refused == "null")
    require_folder(asked.output)
    output = Output(app.place(absolute(asked.output)))
    with app.driving(version.model), _alone(app, output.place.url):
        old = taken(output, resume=asked.resume, overwrite=asked.overwrite)
        work = _work(app, version, asked)
        output.clear(old)
        begun = _begun(app, output, work)
        found = output.manifest()
        progress = Progress(len(work.pieces))
        if found is None:
            progress = performed(
                app, version, begun.work, output, batch_rows=asked.batch_rows, told=told, note=note
            )
            found = _manifest(app, version, begun, progress.done)
        logged = _settle(app, version, output, found, asked.log)
        return Predictions(found, output.place.url, progress.known, time.monotonic() - began, logged)


def _work(app: App, version: Version, asked: Asked) -> Work:
    """What is to be done, once the input is known to be what the version takes."""
    named = pattern(asked.input)
    found = find(named, app.place)
    require_apart(found, named, absolute(asked.output))
    looked = look(found, version, asked.columns)
    _require_shared(app, [found.place.url, absolute(asked.output)])
    return Work(
        version=version.name,
        run=f"{version.model}/{version.run}",
        code=version.code,
        input=found.place.url,
        files=as_files(looked),
        pieces=pieces(looked),
        columns=tuple(asked.columns),
        on_refused=asked.on_refused,
        batch_rows=asked.batch_rows,
    )


def _begun(app: App, output: Output, work: Work) -> Begun:
    """The batch that lies in the output, where it is this one; else a new one, written down before anything of it is done."""
    manifest, begun = output.manifest(), output.begun()
    if manifest is not None:
        begun = Begun(id=manifest.id, began=manifest.began, work=manifest.work)
    if begun is not None:
        done = {part.part for part in manifest.parts} if manifest else output.done(begun.work).keys()
        require_same(work, begun.work, done, id=begun.id, output=output.place.url)
        if work.files != begun.work.files:
            begun = msgspec.structs.replace(begun, work=work)
            output.begin(begun)
        return begun
    now = app.clock.now()
    begun = Begun(id=batch_id(now, secrets.randbits(32)), began=now, work=work)
    output.begin(begun)
    return begun


def _manifest(app: App, version: Version, begun: Begun, done: Sequence[PartDone]) -> Manifest:
    return Manifest(
        id=begun.id,
        work=begun.work,
        commit=version.source.commit,
        environment=version.environment,
        began=begun.began,
        finished=app.clock.now(),
        parts=tuple(sorted(done, key=lambda part: part.part)),
    )


def _settle(app: App, version: Version, output: Output, manifest: Manifest, log: bool) -> bool:
    """The manifest, then the event, then nothing else that was needed until the end; each of it once, whenever it was
    killed. Whether the records know of the batch."""
    digest = output.finish(manifest)
    if log and not _is_known(app, version.model, manifest.id):
        batch = _batch(version, output, manifest, digest)
        app.records.ledger.append(version.model, [BatchAnswered(batch=batch)], at=app.clock.now())
    output.tidy()
    return log


def _batch(version: Version, output: Output, manifest: Manifest, digest: Digest) -> Batch:
    return Batch(
        id=manifest.id,
        model=version.model,
        version=version.number,
        began=manifest.began,
        finished=manifest.finished,
        input=manifest.work.input,
        output=output.place.url,
        files=len(manifest.work.files),
        parts=len(manifest.parts),
        rows=manifest.rows,
        refused=manifest.refused,
        manifest=digest,
    )


def _is_known(app: App, model: str, id: str) -> bool:
    from noria.app.batch.found import batches

    return any(batch.id == id for batch in batches(app, model))


def _with_engine(app: App, kind: Literal["local", "ray"] | None) -> App:
    if kind is None or kind == app.policy.engine.kind:
        return app
    engine = msgspec.structs.replace(app.policy.engine, kind=kind)
    return replace(app, policy=msgspec.structs.replace(app.policy, engine=engine))


def _require_shared(app: App, addresses: Sequence[str]) -> None:
    """Raises `Unshared` where a node of a cluster would not find the files."""
    for address in addresses:
        if app.policy.engine.kind != "ray" or "://" in address:
            continue
        folder = Path(address)
        while not folder.exists():
            folder = folder.parent
        _, blind = app.nodes(folder)
        if blind:
            raise Unshared(nodes=blind, folder=os.fspath(folder))


@contextmanager
def _alone(app: App, output: str) -> Iterator[None]:
    """One batch a folder at a time. Raises `Busy`."""
    from noria.records.base import digest_of

    name = f"batch-{short(digest_of(output))}"
    with app.leases.hold(name, f"process {os.getpid()} since {_now(app):%Y-%m-%d %H:%M:%S} UTC"):
        yield


def _now(app: App) -> datetime:
    return app.clock.now()
