"""How the environment of a rebuild differs from the recorded one, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from noria.app.environments.packages import PackageChange, changes, packages
from noria.app.proof.rebuild import Rebuilt
from noria.records.base import short
from noria.records.sources import Environment
from noria.source.environment import listing, look

if TYPE_CHECKING:
    from noria.app.wiring import App

SHOWN = 8  # packages that a sentence names


def differs(app: App, again: Rebuilt) -> str:
    """Empty when it is the recorded one; else why it is not, and the packages."""
    then, now = again.run.asked.provenance.environment, app.provenance_now(again.root).environment
    if then == now:
        return ""
    return "; ".join([*_reasons(then), *_facts(then, now), *_packages(app, again, then, now)])


def _reasons(then: Environment) -> Iterator[str]:
    if then.lock is None:
        yield "it could not be rebuilt, for it was recorded by what was installed, not by a lock"


def _facts(then: Environment, now: Environment) -> Iterator[str]:
    for name in ("implementation", "python", "platform"):
        if (was := getattr(then, name)) != (is_ := getattr(now, name)):
            yield f"{name} {was} -> {is_}"


def _packages(app: App, again: Rebuilt, then: Environment, now: Environment) -> Iterator[str]:
    if then.packages == now.packages and then.beside == now.beside:
        return
    seen = look(again.root)
    if (
        then.lock and seen.differs
    ):  # this interpreter does not follow the recorded lock: in what, is known exactly
        yield _few(seen.differs)
        return
    app.store.put(listing(again.root, now))
    before, after = packages(app, then, again.run.asked.provenance.source.tree), packages(app, now)
    if before is None or after is None:
        yield f"its packages were {short(then.packages)}, and are {short(now.packages)}; the list is not kept"
        return
    found = changes(before, after)
    ordered: list[PackageChange] = sorted(found, key=_one_sided)
    yield _few(ordered)


def _one_sided(one: PackageChange) -> bool:
    """So that packages in another version are named first."""
    return one.a is None or one.b is None


def _few(found: Sequence[object]) -> str:
    more = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return ", ".join([*map(str, found[:SHOWN]), *more])
