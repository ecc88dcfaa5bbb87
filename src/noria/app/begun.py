"""A project's code as it was when a run began, to which all that the run does is held."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from noria.graph.errors import SourceChanged
from noria.ports.engine import Engine
from noria.records.base import Digest, parse
from noria.records.runs import NewRun
from noria.records.sources import Tree

if TYPE_CHECKING:
    from noria.app.wiring import App
    from noria.declare import Resolved
    from noria.pipeline.code import Code


@dataclass(frozen=True)
class Begun:
    """What was read of the working tree, where editors save while a run trains."""

    code: Code
    whole: Digest | None
    """Of the whole pipeline's code; None for a pipeline that makes no version."""

    def held(self, engine: Engine) -> Engine:
        """An engine on the working tree whose workers refuse tasks once they have imported other code."""
        from noria.pipeline.held import Held

        return Held(engine, dict(self.code.files))


def as_begun(app: App, resolved: Resolved, asked: NewRun) -> Begun:
    """Read all of the project's code that a pipeline reaches, now. Raises `SourceChanged` where it is not that of the
    source tree which the run records: somebody has saved a file since that was captured."""
    from noria.pipeline.code import Code
    from noria.pipeline.outlines import Outlines

    code = Code(app.project, Outlines(app.state))
    code.read(resolved)
    tree = parse(app.store.get(asked.provenance.source.tree), Tree)
    recorded = {file.path: file.digest for file in tree.files if not stat.S_ISLNK(file.mode)}
    changed = [place for place, digest in code.files.items() if recorded.get(place, digest) != digest]
    if changed:
        raise SourceChanged(files=sorted(changed))
    return Begun(code, code.of_all(resolved) if resolved.predict else None)
