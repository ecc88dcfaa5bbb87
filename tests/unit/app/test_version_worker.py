"""One worker for all that a watched version's code is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from noria.app.version_worker import VersionWorker


@dataclass
class Engine:
    root: Path
    closed: int = 0

    def close(self) -> None:
        self.closed += 1


@dataclass
class Staffed:
    """What the worker asks of an app."""

    started: list[Engine] = field(default_factory=list)

    def code(self, tree: str) -> Path:
        return Path(tree)

    def engine(self, root: Path) -> Engine:
        self.started.append(Engine(root))
        return self.started[-1]


@dataclass
class Asked:
    """What the worker asks of a version."""

    code: str


def version(code: str) -> Any:
    return Asked(code)


def test_it_starts_one_process_for_one_code_and_keeps_it() -> None:
    app: Any = Staffed()
    worker = VersionWorker(app)
    assert app.started == [], "not before it is asked"
    first = worker.of(version("one"))
    assert worker.of(version("one")) is first, "though it is another version"
    assert worker.of(version("two")) is not first
    assert [one.closed for one in app.started] == [1, 0]
    worker.close()
    worker.close()
    assert [one.closed for one in app.started] == [1, 1]
