"""Moving an alias by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noria.app.errors import BadReference, GatesRefuse, UnknownVersion
from noria.app.gone import require_whole
from noria.records.events import AliasMoved
from noria.records.versions import Version
from noria.registry.moves import move
from noria.registry.references import CHAMPION, Numbered, parse_reference

if TYPE_CHECKING:
    from noria.app.wiring import App


def find_version(app: App, text: str) -> Version:
    """The version that a person names: `delay:3`, `delay@champion`, `delay`."""
    reference = parse_reference(text)
    if reference is None:
        raise BadReference(text=text, kind="version", example="delay:3, delay@champion or delay")
    app.model(reference.model)
    if isinstance(reference, Numbered):
        number: int | None = reference.number
    else:
        number = app.records.versions.aliases(reference.model).get(reference.alias)
    version = app.records.versions.version(reference.model, number) if number else None
    if version is None:
        known = [version.name for version in app.records.versions.versions(reference.model)]
        aliases = [f"{reference.model}@{alias}" for alias in app.records.versions.aliases(reference.model)]
        raise UnknownVersion(name=text, known=[*aliases, *known] or ["none: noria run"])
    return version


def promote(
    app: App,
    text: str,
    *,
    alias: str = CHAMPION,
    why: str = "",
    by: str,
    force: bool = False,
    dry_run: bool = False,
) -> AliasMoved | None:
    """Let an alias name a version; None when it does already.

    Raises `GatesRefuse` for a version whose last judgement is no pass, unless forced; `VersionGone` for one whose
    artifacts are gone; `Conflict` when the alias has moved meanwhile.
    """
    version = find_version(app, text)
    judgements = app.records.versions.judgements(version.model, version.number)
    if alias == CHAMPION and not force and judgements and not judgements[0].passed:
        refused = [f"{v.gate}: {v.outcome}, {v.why}" for v in judgements[0].verdicts if v.outcome != "pass"]
        raise GatesRefuse(version=version.name, why="; ".join(refused))
    require_whole(app, version)
    reason = why or ("forced by a person" if force else "promoted by a person")
    moved = move(
        app.records.versions.aliases(version.model),
        model=version.model,
        alias=alias,
        to=version.number,
        why=reason,
        by=by,
    )
    return _append(app, moved, dry_run)


def _append(app: App, moved: AliasMoved | None, dry_run: bool) -> AliasMoved | None:
    if moved is not None and not dry_run:
        app.records.ledger.append(moved.model, [moved], at=app.clock.now())
    return moved
