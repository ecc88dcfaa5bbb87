"""Everything that makes a model's results unrepeatable: in its code, its environment and its working tree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from noria.pipeline.lint import Lint, lint

if TYPE_CHECKING:
    from noria.app.wiring import App

SHOWN = 3  # changed files that the line about uncommitted work spells out


def lint_model(app: App, model: str | None) -> tuple[Lint, ...]:
    """What breaks, then what is a risk, each in the pipeline's order. Raises `UnknownModel` and what loading the
    pipeline raises."""
    from noria.declare import resolve
    from noria.graph.load import load_pipeline
    from noria.pipeline.code import Code

    policy = app.model(model)
    resolved = resolve(load_pipeline(app.project, policy.pipeline))
    found = [*lint(resolved, Code(app.project)), *_environment(app), *_tree(app)]
    return tuple(sorted(found, key=lambda one: one.severity != "breaks"))


def _environment(app: App) -> Iterator[Lint]:
    from noria.source.environment import lock_of
    from noria.source.unlocked import unlocked

    for wish in unlocked(app.project):
        yield Lint(
            rule="lock",
            severity="risks",
            step="",
            where="pyproject.toml",
            what=f"{wish}: uv.lock was not made for it, and what the lock says is used",
            next="uv lock, and commit uv.lock",
        )
    if lock_of(app.project) is None:
        yield Lint(
            rule="lock",
            severity="risks",
            step="",
            where="pyproject.toml",
            what="no lock file: the environment is known by names and versions alone, without hashes",
            next="uv lock, and commit uv.lock",
        )


def _tree(app: App) -> Iterator[Lint]:
    from noria.source.choose import choose

    checkout = app.git.look(app.project)
    changed = (*checkout.changed, *choose(checkout).untracked)
    if changed:
        named = ", ".join(changed[:SHOWN]) + (
            f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
        )
        yield Lint(
            rule="uncommitted",
            severity="risks",
            step="",
            where=named,
            what="not committed: the record keeps these files, but git alone does not bring them back",
            next="git commit, before a run that matters",
        )
