"""Environments as text."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from noria.app.environments.packages import PackageChange
from noria.app.environments.read import EnvironmentDiff, EnvironmentView, GroupView, ShelvedView, Verified
from noria.cli.render import count, fields, paint, size, table, when
from noria.cli.show_run import listed
from noria.records.base import short

if TYPE_CHECKING:
    from noria.ports.environments import Shelved


def view_lines(view: EnvironmentView) -> list[str]:
    place = view.environment
    packages = f"{place.lock or 'what is installed, no lock'}: {count(len(view.packages), 'package')}"
    lines = fields(
        [
            ("python", f"{place.implementation} {place.python} on {place.platform}"),
            ("packages", f"{packages} ({short(place.packages)})"),
            ("beside", ", ".join(f"{name} {version}" for name, version in place.beside.items())),
            ("interpreter", f"{view.interpreter} {_here(view)}"),
            ("differs", listed(map(str, view.differs))),
            ("runs in", _where(view)),
            ("groups", "\n".join(map(_group, view.groups))),
        ]
    )
    return [paint(f"the environment of {view.of}", "bold"), *lines]


def _here(view: EnvironmentView) -> str:
    return "is it" if view.here else "is another one"


def _where(view: EnvironmentView) -> str:
    if view.why_not:
        return f"cannot be rebuilt: {view.why_not}"
    if view.environment.lock is None:
        return "this interpreter; without a lock it is recorded by names and versions, and cannot be rebuilt: uv lock"
    if view.here:
        return "this interpreter"
    return view.built or f"{short(view.address or '')}, not built yet: noria env build"


def _group(group: GroupView) -> str:
    return f"{group.name}: {group.built or f'not built yet: noria env build {group.name}'}"


def built_lines(of: str, made: Shelved | None) -> list[str]:
    """Where to run it."""
    if made is None:
        return [f"{of}: the interpreter that runs noria is it: {sys.executable}"]
    return [f"{of}: {count(len(made.built.packages), 'package')}, {made.python}"]


def shelf_lines(views: Sequence[ShelvedView]) -> list[str]:
    head = ("environment", "lock", "group", "python", "packages", "size", "built", "used")
    rows = [
        (
            short(one.address),
            one.lock,
            one.group,
            one.python,
            one.packages,
            size(one.size),
            when(one.built),
            when(one.used),
        )
        for one in views
    ]
    return table(head, rows) if rows else []


def verified_lines(found: Verified) -> list[str]:
    where = f"{found.of}: {count(found.packages, 'package')} in {found.folder}"
    if not found.differs:
        return [f"{where}: {paint('every file is what was installed', 'green')}"]
    differ = count(len(found.differs), "package") + (" differs" if len(found.differs) == 1 else " differ")
    title = f"{where}: {paint(differ, 'red')}"
    return [title, *(f"  {one}" for one in found.differs), *_remedy(found)]


def _remedy(found: Verified) -> list[str]:
    """Changed files may be the very ones of uv's cache, which a new environment would get again."""
    names = [one.name for one in found.differs if one.kind == "files"]
    if not names:
        return []
    return [
        f"  next:  uv cache clean {' '.join(names)} (it shares files with environments), then install them anew; an"
        " environment that Noria built: remove its folder, and noria env build"
    ]


def diff_lines(found: EnvironmentDiff) -> list[str]:
    if found.packages is None:
        return [
            *_facts(found),
            "the list of packages of one side is not kept: only that they differ is known",
        ]
    if not found.facts and not found.packages:
        return [f"{found.a} and {found.b} have the same environment"]
    rows = [(_kind(one), one.name, one.a, one.b) for one in found.packages]
    return [*_facts(found), *(table(("package", "name", found.a, found.b), rows) if rows else [])]


def _facts(found: EnvironmentDiff) -> list[str]:
    return fields((name, f"{a} -> {b}") for name, (a, b) in found.facts.items())


def _kind(one: PackageChange) -> str:
    if one.content:
        return "other files"
    return "added" if one.a is None else "removed" if one.b is None else "changed"
