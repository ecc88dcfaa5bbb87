"""The digest of what a step's function does: itself, and every definition of the project that it reaches.

A definition counts by its syntax tree: comments, docstrings, line numbers, the file's folder and everything that is
not reached are left out. Names are followed through the project's own files only; what lies outside is the
environment's digest to tell. Where the tree cannot say what a name will mean (`globals()`, `eval`, a module used as
a value, a registry that is filled by decorators), everything that may be meant counts, and a note says so. Not seen:
a module that is changed from outside, and files that are read while a step runs.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noria.declare import Resolved, Step
from noria.pipeline.modules import Module, Modules
from noria.pipeline.outlines import Outlines
from noria.pipeline.reach import Reached
from noria.records.base import Digest, digest_of


@dataclass(frozen=True)
class Coded:
    """A step's code: its digest, and what could not be followed."""

    digest: Digest
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Text:
    """What a function reaches, in order, and what could not be followed."""

    items: list[str]
    notes: tuple[str, ...]


class Code:
    """The code of a project as it lies on the disk now; each file is read once. `outlines`: what earlier processes have
    made of the very same bytes."""

    def __init__(self, root: Path, outlines: Outlines | None = None) -> None:
        self._modules = Modules(root, outlines)
        self._declared: dict[tuple[str, str, tuple[str, ...]], bool] = {}
        self._texts: dict[Callable[..., Any], _Text] = {}

    @property
    def files(self) -> Mapping[str, Digest]:
        """The project's files that were read so far, by their place from its root: the digest of what was read."""
        return self._modules.read

    def of(self, step: Step, about: object = None) -> Coded:
        """A step's code. `about`: what else decides how Noria calls it, as plain values."""
        text = self._text(step)
        declared = {
            "role": step.role,
            "inputs": step.inputs,
            "outputs": step.outputs,
            "spec": vars(step.spec),
        }
        return Coded(digest=digest_of([declared, about, text.items]), notes=text.notes)

    def reached(self, step: Step) -> list[tuple[Module, ast.AST]]:
        """Every definition of the project that a step's function reaches, itself first, each in its file."""
        return [(module, module.node(which)) for module, which in self._follow(step).definitions]

    def strangers(self, step: Step) -> list[str]:
        """Packages that a step's function reaches and no record pins: neither the project's nor its environment's."""
        return sorted(self._follow(step).strangers)

    def read(self, resolved: Resolved) -> None:
        """Read all that a pipeline reaches, now: what is asked of it later is as it is at this moment."""
        for step in _all(resolved):
            self._text(step)
        self._modules.keep()

    def of_all(self, resolved: Resolved) -> Digest:
        """The code of a whole pipeline: every step's, predict's and the loss's, and that of functions for single rows."""
        return digest_of([self.of(step).digest for step in _all(resolved)])

    def _text(self, step: Step) -> _Text:
        if step.function not in self._texts:
            reached = self._follow(step)
            self._texts[step.function] = _Text(sorted(reached.items), tuple(sorted(reached.notes)))
        return self._texts[step.function]

    def _follow(self, step: Step) -> Reached:
        found = Reached(self._modules, self._declared)
        found.function(step.function, as_step=True)
        found.follow()
        return found


def _all(resolved: Resolved) -> tuple[Step, ...]:
    return (
        *resolved.order,
        *(step for step in (resolved.predict, resolved.loss) if step),
        *(resolved.row_functions[name] for name in sorted(resolved.row_functions)),
    )
