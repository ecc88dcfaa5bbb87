"""The versions of a model's data: what each looks like, who read it, what differs between two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from noria.app.promote import find_version
from noria.app.read import find_run, list_runs
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
    what: ClassVar[str] = "{name} read no table of data"
    next: ClassVar[str] = "noria data, for those that did"
    name: str


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
    profile: Profile


class DataDiff(Record, kw_only=True):
    """What differs between two data versions; `findings` as the canary with its usual limits would tell them."""

    first: DataDetail
    second: DataDetail
    same: bool
    """To the last bit."""
    findings: tuple[Finding, ...]


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


def read_data(app: App, text: str) -> DataDetail:
    """The data of a run (`delay/3`) or a version (`delay:3`). Raises `NoDataOf`, `NoProfile`, and what finding it
    raises."""
    name, data = _named(app, text)
    if data is None:
        raise NoDataOf(name=name)
    if data.profile is None or not app.store.has(data.profile):
        raise NoProfile(name=name)
    return DataDetail(name=name, data=data, profile=parse(app.store.get(data.profile), Profile))


def diff_data(app: App, first: str, second: str) -> DataDiff:
    """What the second's data has become beside the first's."""
    before, now = read_data(app, first), read_data(app, second)
    limits = DataPolicy()
    findings = [*changes(now.profile, before.profile, limits), *volume(now.data, before.data, limits)]
    return DataDiff(
        first=before, second=now, same=before.data.digest == now.data.digest, findings=tuple(findings)
    )


def _named(app: App, text: str) -> tuple[str, DataVersion | None]:
    if "/" not in text:
        version = find_version(app, text)
        return version.name, version.data
    view = find_run(app, text)
    found = _of_run(app, view.run.asked.model, view.run.number)
    return view.name, found[0] if found else None


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
