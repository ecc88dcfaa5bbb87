"""What of a lock gets installed here: the pins that this platform, this Python and one group of dependencies select.

A lock pins for every platform and every group at once. The walk is in our own hands, and not a question to uv: so that
an environment can be checked where uv is not installed. Each build compares it with what uv installed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from noria.errors import ConfigError
from noria.records.environments import normal
from noria.source.locks import (
    BadLock,
    Pin,
    is_project,
    pylock_pin,
    read_toml,
    requirement_lines,
    uv_pin,
)

Package = Mapping[str, Any]
Pins = dict[str, Pin]
FOLDERS = ("directory", "editable")  # sources of a uv.lock whose content no hash pins


@dataclass(eq=False)
class NoGroup(ConfigError):
    code: ClassVar[str] = "GROUP-UNKNOWN"
    what: ClassVar[str] = "{file} has no dependency group {group!r}; it has: {known}"
    next: ClassVar[str] = (
        "add it to [dependency-groups] of pyproject.toml, then `uv lock`: a uv.lock holds groups, a pylock.toml where "
        "it was made with them, requirements never"
    )
    file: str
    group: str
    known: Sequence[str]


def markers(python: str | None = None) -> dict[str, str]:
    """What markers are asked about here, for this Python or for another release of it."""
    from packaging.markers import default_environment

    found = {name: str(value) for name, value in default_environment().items()}
    if python is not None:
        found |= {"python_full_version": python, "python_version": ".".join(python.split(".")[:2])}
    return found


def applied(lock: Path, *, group: str | None = None, python: str | None = None) -> Pins:
    """The pins to be installed, by name: the project's own dependencies, with those of `group`. Raises `BadLock` and
    `NoGroup`."""
    from packaging.markers import InvalidMarker, UndefinedComparison, UndefinedEnvironmentName

    try:
        return _READERS[lock.name](lock, group, markers(python))
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName, OSError, ValueError) as error:
        raise BadLock(file=str(lock), reason=str(error)) from error
    except (KeyError, TypeError, AttributeError) as error:
        raise BadLock(file=str(lock), reason=f"it has not the form of a lock ({error})") from error


def groups_of(project: Path, lock: str) -> list[str]:
    """The dependency groups that a lock file holds, by name."""
    read = read_toml(project / lock) if lock.endswith((".lock", ".toml")) else {}
    return sorted(_project(read)[1] if lock == "uv.lock" else read.get("dependency-groups", []))


def folders(lock: Path) -> list[str]:
    """Packages that a `uv.lock` takes from folders, the project itself apart: what is in there, no lock pins."""
    packages = read_toml(lock).get("package", []) if lock.name == "uv.lock" else []
    return [
        f"{one['name']} ({place})"
        for one in packages
        if not is_project(one)
        for kind in FOLDERS
        if (place := one.get("source", {}).get(kind))
    ]


def _uv(lock: Path, group: str | None, here: Mapping[str, str]) -> Pins:
    """From the project's own entry through all that it depends on."""
    read = read_toml(lock)
    root, groups = _project(read)
    if group is not None and group not in groups:
        raise NoGroup(file=lock.name, group=group, known=sorted(groups) or ["none"])
    here = {**here, "extra": f"group-{len(root['name'])}-{root['name']}-{group}" if group else ""}
    wanted = [*root.get("dependencies", []), *(groups[group] if group else [])]
    found: Pins = {}
    for package in _reached(read["package"], wanted, here):
        if "virtual" not in package.get("source", {}) and not is_project(package):
            found[normal(package["name"])] = uv_pin(package)
    return found


def _project(read: Package) -> tuple[Package, Mapping[str, Any]]:
    """The entry of the project itself, and its groups; a workspace without a project of its own has them apart."""
    for package in read.get("package", []):
        if is_project(package):
            return package, package.get("dev-dependencies", {})
    manifest = read.get("manifest", {})
    apart = {"name": "", "dependencies": manifest.get("requirements", [])}
    return apart, manifest.get("dependency-groups", {})


def _reached(
    packages: Sequence[Package], wanted: Sequence[Package], here: Mapping[str, str]
) -> Iterator[Package]:
    """Every package that is needed, once; of extras, what they bring."""
    left, seen = list(wanted), set[tuple[str, str, str]]()
    while left:
        need = left.pop()
        if not _holds(need.get("marker", ""), here):
            continue
        package = _named(packages, need)
        for extra in ("", *need.get("extra", ())):
            key = (package["name"], package.get("version", ""), extra)
            if key not in seen:
                seen.add(key)
                left += (
                    package.get("optional-dependencies", {}).get(extra, [])
                    if extra
                    else package.get("dependencies", [])
                )
        yield package


def _named(packages: Sequence[Package], need: Package) -> Package:
    """The entry that a dependency means; its version and source stand there where there is more than one."""
    exact = {key: need[key] for key in ("name", "version", "source") if key in need}
    for one in packages:
        if all(one.get(key) == value for key, value in exact.items()):
            return one
    raise ValueError(f"{need['name']} is needed, and it has no such package")


def _pylock(lock: Path, group: str | None, here: Mapping[str, str]) -> Pins:
    read = read_toml(lock)
    known = read.get("dependency-groups", [])
    if group is not None and group not in known:
        raise NoGroup(file=lock.name, group=group, known=known or ["none"])
    asked: dict[str, Any] = {**here, "extras": frozenset(), "dependency_groups": frozenset()}
    asked["dependency_groups"] = frozenset([*read.get("default-groups", []), *([group] if group else [])])
    return {
        normal(one["name"]): pylock_pin(one)
        for one in read["packages"]
        if _holds(one.get("marker", ""), asked)
    }


def _requirements(lock: Path, group: str | None, here: Mapping[str, str]) -> Pins:
    if group is not None:
        raise NoGroup(file=lock.name, group=group, known=["none"])
    return {pin.name: pin for pin, marker in requirement_lines(lock) if _holds(marker, here)}


def _holds(marker: str, here: Mapping[str, Any]) -> bool:
    if not marker:
        return True
    from packaging.markers import Marker

    context: Literal["lock_file", "requirement"] = (
        "lock_file" if "dependency_groups" in here else "requirement"
    )
    return Marker(marker).evaluate(dict(here), context=context)


_READERS = {"uv.lock": _uv, "pylock.toml": _pylock, "requirements.txt": _requirements}
