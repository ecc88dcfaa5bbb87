"""What a step logs on another node, brought to the driver's machine while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from noria.adapters.ray_wire import Figures
from noria.records.tasks import RunStep

FOLDER, SUFFIX = "spool", ".spool"  # where a worker keeps what a step logs, until it is stored
PART = 1 << 22  # bytes of one message


class Tail:
    """On the node: the spools of one attempt, read as they grow."""

    def __init__(self, state: Path, task: RunStep) -> None:
        self._folder = Path(FOLDER, task.run)
        self._state = state
        self._stem = task.step + "".join(f"[{number}]" for number in task.item) + "."
        self._read: dict[str, int] = {}
        self._old = set(self._names())

    def news(self, *, over: bool) -> list[Figures]:
        """What came since; `over`: nothing more will come, and the files go."""
        names = [name for name in self._names() if name not in self._old]
        found = [part for name in names for part in self._parts(name)]
        if over:
            for name in names:
                (self._state / self._folder / name).unlink(missing_ok=True)
        return found

    def _names(self) -> list[str]:
        try:
            names = [path.name for path in (self._state / self._folder).iterdir()]
        except FileNotFoundError:
            return []
        return sorted(name for name in names if name.startswith(self._stem) and name.endswith(SUFFIX))

    def _parts(self, name: str) -> Iterator[Figures]:
        path = self._folder / name
        try:
            with (self._state / path).open("rb") as file:
                file.seek(self._read.get(name, 0))
                while data := file.read(PART):
                    self._read[name] = file.tell()
                    yield Figures(spool=path.as_posix(), data=data)
        except FileNotFoundError:  # the step has ended, and all of it is stored
            return


class Copies:
    """On the driver's machine: the same files in the project's own state, where whoever looks at a run finds them."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._of: dict[str, set[Path]] = {}

    def add(self, id: str, figures: Figures) -> None:
        path = self._state / _inside(figures.spool)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(figures.data)
        self._of.setdefault(id, set()).add(path)

    def keep(self, id: str) -> None:
        """Its job broke: what it had logged stays to be looked at."""
        self._of.pop(id, None)

    def drop(self, id: str) -> None:
        """Its job is done, and all that it logged is stored with its result."""
        for path in self._of.pop(id, ()):
            path.unlink(missing_ok=True)


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.parts[:1] != (FOLDER,) or ".." in path.parts or path.suffix != SUFFIX:
        raise ValueError(f"{name!r} is no spool's name")
    return path
