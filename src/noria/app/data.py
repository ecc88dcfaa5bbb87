"""The versions of a model's data: what each looks like, who read it, what differs between two."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from noria.app.promote import find_version
from noria.app.read import find_run, list_runs
from noria.app.sources import SourceChange, SourceDetail, diff_sources, read_sources
from noria.errors import NotFound
from noria.profiles import changes, volume
from noria.records.base import Digest, Record, parse
from noria.records.events import DataRefused
from noria.records.policy import DataPolicy
from noria.records.profiles import Finding, Profile
from noria.records.runs import DataVersion

if TYPE_CHECKING:
    from noria.app.wiring import App

LOOKED = 200  # runs of a list: more data versions than a reader scrolls through


@dataclass(eq=False)
class NoDataOf(NotFound):
    code: ClassVar[str] = "DATA-NONE"
    what: ClassVar[str] = "{name} read no data"
    next: ClassVar[str] = "noria data, for those that did{known}"
    name: str
    steps: Sequence[str] = ()

    def facts(self) -> dict[str, object]:
        return {
            **super().facts(),
            "known": f"; its data steps: {', '.join(self.steps)}" if self.steps else "",
        }


@dataclass(eq=False)
class NoProfile(NotFound):
    code: ClassVar[str] = "DATA-PROFILE-GONE"
    what: ClassVar[str] = "the profile of the data of {name} is not in the object store"
    next: ClassVar[str] = "read the data once more: noria run"
    name: str


class DataView(Record, kw_only=True):
    """One version of a model's data, and who read it."""

    model: str
    data: DataVersion
    runs: tuple[str, ...]
    """The newest first."""
    versions: tuple[str, ...] = ()
    """Made from it."""
    refused: tuple[Finding, ...] = ()
    """Why the canary kept it from training."""


class DataDetail(Record, kw_only=True):
    """A data version with its profile."""

    name: str
    data: DataVersion
    profile: Profile | None = None
    """None for files, which are no table."""
    sources: tuple[SourceDetail, ...] = ()
    """What it was made of."""
    others: tuple[str, ...] = ()
    """Further data steps of the run."""


class DataDiff(Record, kw_only=True):
    """What differs between two data versions; `findings` as the canary with its usual limits would tell them."""

    first: DataDetail
    second: DataDetail
    same: bool
    """To the last bit."""
    findings: tuple[Finding, ...]
    sources: tuple[SourceChange, ...] = ()


def list_data(app: App, model: str | None = None) -> tuple[DataView, ...]:
    """The data versions of the last runs, the newest first. Raises `UnknownModel`."""
    found: dict[tuple[str, Digest], DataView] = {}
    for view in list_runs(app, model, last=LOOKED):
        name = view.run.asked.model
        number = getattr(view.outcome, "version", None)
        for data in _of_run(app, name, view.run.number):
            known = found.get((name, data.digest)) or DataView(model=name, data=data, runs=())
            made = (f"{name}:{number}",) if number else ()
            versions = tuple(dict.fromkeys((*known.versions, *made)))
            found[name, data.digest] = DataView(
                model=name, data=known.data, runs=(*known.runs, view.name), versions=versions
            )
    return tuple(_with_refusal(app, one) for one in found.values())


def read_data(app: App, text: str, step: str | None = None) -> DataDetail:
    """The data of a run (`delay/3`) or a version (`delay:3`): of the named data step, else of the one whose rows are the
    question. Raises `NoDataOf`, `NoProfile`, and what finding it raises."""
    name, found = _named(app, text)
    chosen = step or next(iter(found), None)
    if chosen is None or chosen not in found:
        raise NoDataOf(name=f"{name}, step {step}" if step else name, steps=list(found))
    data = found[chosen]
    if data.profile is not None and not app.store.has(data.profile):
        raise NoProfile(name=name)
    return DataDetail(
        name=name,
        data=data,
        profile=parse(app.store.get(data.profile), Profile) if data.profile else None,
        sources=read_sources(app, data),
        others=tuple(other for other in found if other != chosen),
    )


def diff_data(app: App, first: str, second: str, step: str | None = None) -> DataDiff:
    """What the second's data has become beside the first's."""
    before, now = read_data(app, first, step), read_data(app, second, step)
    return DataDiff(
        first=before,
        second=now,
        same=before.data.digest == now.data.digest,
        findings=tuple(_differences(before, now, _moving(app, now.name))),
        sources=diff_sources(app, before.data, now.data),
    )


def _differences(before: DataDetail, now: DataDetail, moving: Collection[str]) -> Iterator[Finding]:
    if before.profile and now.profile:
        yield from changes(now.profile, before.profile, DataPolicy(), moving=moving)
        yield from volume(now.data, before.data, DataPolicy())


def _moving(app: App, name: str) -> Collection[str]:
    """Columns that are expected to leave their range, as far as a version of the model tells them."""
    versions = app.records.versions.versions(re.split("[/:]", name)[0])
    if not versions:
        return ()
    newest = versions[0]
    return {*newest.signature.key, *filter(None, (newest.signature.time, newest.label))}


def _named(app: App, text: str) -> tuple[str, dict[str, DataVersion]]:
    """What a run, or the run that made a version, read: by step, tables with a time first."""
    if "/" in text:
        view = find_run(app, text)
        name, model, number = view.name, view.run.asked.model, view.run.number
    else:
        version = find_version(app, text)
        name, model, number = version.name, version.model, version.run
    results = app.records.runs.steps(model, number)
    found = {result.step: result.data for result in results if result.data is not None}
    order = sorted(found, key=lambda one: (found[one].profile is None, found[one].first is None))
    return name, {one: found[one] for one in order}


def _of_run(app: App, model: str, number: int) -> Sequence[DataVersion]:
    return [result.data for result in app.records.runs.steps(model, number) if result.data is not None]


def _with_refusal(app: App, view: DataView) -> DataView:
    for _, change in app.records.ledger.events(view.model, kinds=["data.refused"]):
        if isinstance(change, DataRefused) and change.data == view.data.digest:
            return DataView(
                model=view.model,
                data=view.data,
                runs=view.runs,
                versions=view.versions,
                refused=change.findings,
            )
    return view
