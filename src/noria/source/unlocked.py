"""What pyproject.toml asks for and the uv.lock beside it was not made for: somebody changed the one and not the other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from noria.records.environments import normal
from noria.source.locks import is_project, read_toml

WISH = re.compile(r"\s*(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^\]]*\])?\s*(?P<limits>[^;]*)")

Known = dict[str, set[str]]
"""Package to the limits that the lock was made for."""
ANY = "@"  # instead of limits, for what is named by a place (a folder, an address): none are compared
PLACES = frozenset({"directory", "editable", "git", "path", "url", "virtual"})


def unlocked(project: Path) -> tuple[str, ...]:
    """Dependencies, also of groups, as pyproject.toml writes them. Empty where there is no uv.lock, and where one of the
    files is no TOML, which others tell."""
    lock, own = project / "uv.lock", project / "pyproject.toml"
    if not lock.is_file() or not own.is_file():
        return ()
    try:
        packages, asked = read_toml(lock).get("package", []), read_toml(own)
    except ValueError:
        return ()
    entry = next((package for package in packages if is_project(package)), None)
    if entry is None or "metadata" not in entry:  # of a workspace, or of an older uv: it does not say
        return ()
    known = _known(entry["metadata"])
    return tuple(dict.fromkeys(wish for wish in _wishes(asked) if not _is_known(wish, known)))


def _wishes(asked: Mapping[str, Any]) -> Iterator[str]:
    yield from asked.get("project", {}).get("dependencies", [])
    for group in asked.get("dependency-groups", {}).values():
        yield from (wish for wish in group if isinstance(wish, str))  # the others include a group


def _known(metadata: Mapping[str, Any]) -> Known:
    found: Known = {}
    groups = metadata.get("requires-dev", {}).values()
    for one in (*metadata.get("requires-dist", []), *(wish for group in groups for wish in group)):
        limits = ANY if PLACES.intersection(one) else one.get("specifier", "")
        found.setdefault(normal(one["name"]), set()).add(limits)
    return found


def _is_known(wish: str, known: Known) -> bool:
    match = WISH.match(wish)
    if match is None or match["limits"].startswith("@"):
        return True
    there, limits = known.get(normal(match["name"])), match["limits"].strip("() \t")
    return there is not None and (ANY in there or any(_alike(limits, one) for one in there))


def _alike(one: str, other: str) -> bool:
    """Whether two lists of limits are one: as they are written, or as PEP 440 reads them."""
    if _clauses(one) == _clauses(other):
        return True
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return SpecifierSet(one) == SpecifierSet(other)
    except InvalidSpecifier:
        return True  # uv tells what it cannot read


def _clauses(limits: str) -> frozenset[str]:
    return frozenset(clause for clause in limits.replace(" ", "").split(",") if clause)
