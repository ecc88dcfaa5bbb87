"""Stored outputs back as what they were."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noria.app.pages.words import size
from noria.artifacts.lists import is_list, items_of
from noria.client.errors import NeedsClass, UnknownOutput, Unsafe
from noria.client.place import Place
from noria.records.artifacts import Artifact, Column
from noria.records.base import Digest, short
from noria.records.runs import StepResult

if TYPE_CHECKING:
    from noria.app.wiring import App
    from noria.artifacts import Artifacts
    from noria.ports.objects import ObjectStore

ITEM = re.compile(r"(?P<name>[^\[\]]+)(?P<items>(?:\[\d+\])+)")  # score[3], score[3][0]
HAS_FILES = ("path", "bundle", "list")  # codecs of values that may be, or hold, paths to files

_laid_out: list[Artifacts] = []  # hold the files that a reader has by path until the interpreter ends


@dataclass(frozen=True)
class Stored:
    """An output as it lies in the store."""

    name: str
    """`delay/143 classifier`"""
    record: Artifact
    _place: Place

    @property
    def type(self) -> str:
        """The Python type that was stored."""
        return self.record.type

    @property
    def codec(self) -> str:
        return self.record.codec

    @property
    def digest(self) -> Digest:
        return self.record.digest

    @property
    def size(self) -> int:
        """Bytes."""
        return self.record.size

    @property
    def rows(self) -> int | None:
        return self.record.rows

    @property
    def columns(self) -> tuple[Column, ...]:
        return self.record.columns

    @property
    def path(self) -> Path:
        """A local file with the stored bytes, in the codec's own format. Read-only: it may be the store's own."""
        with self._place.look() as app:
            return app.store.path(self.record.digest)

    def load(self, *, unsafe: bool = False) -> Any:
        """The object, as the type that was stored. Tables and large arrays are mapped. Raises `Unsafe` for what is
        pickled, unless `unsafe` says that whoever made it is trusted."""
        with self._place.look() as app:
            return loaded(app, self.record, self.name, unsafe=unsafe)

    def __repr__(self) -> str:
        rows = f", {self.rows:,} rows" if self.rows is not None else ""
        unsafe = ", UNSAFE" if self.record.unsafe else ""
        return (
            f"<{self.name}: {self.type or self.codec}{rows}, {size(self.size)}{unsafe}, {short(self.digest)}>"
        )


def find_output(steps: Iterable[StepResult], name: str, run: str, store: ObjectStore) -> Artifact:
    """The artifact of an output, or of an item of a fan-out (`score[3]`). Raises `UnknownOutput`."""
    outputs = dict(outputs_of(steps))
    if name in outputs:
        return outputs[name]
    item = ITEM.fullmatch(name)
    if item and (found := outputs.get(item["name"])):
        numbers = [int(number) for number in re.findall(r"\d+", item["items"])]
        return _item(found, numbers, name, run, store)
    raise UnknownOutput(run=run, name=name, known=list(outputs) or ["none yet"])


def outputs_of(steps: Iterable[StepResult]) -> Iterator[tuple[str, Artifact]]:
    """Every output by its name; of a fan-out the gathered one, for its items bear the same names."""
    for step in steps:
        if "[" not in step.step:
            yield from step.outputs.items()


def loaded(app: App, artifact: Artifact, name: str, *, unsafe: bool) -> Any:
    """An artifact's value. Raises `Unsafe`, `NeedsClass`."""
    from noria.artifacts import Artifacts
    from noria.artifacts.classes import ClassGone

    if not unsafe and is_unsafe(artifact, app.store):
        raise Unsafe(name=name, fix=f"run.artifact({name.rpartition(' ')[2]!r}).load(unsafe=True)")
    shelf = Artifacts(app.store)
    if artifact.codec.partition("/")[0] in HAS_FILES:
        _laid_out.append(shelf)
    try:
        return shelf.load(artifact)
    except ClassGone as error:
        raise NeedsClass(name=name, why=str(error), project=str(app.project)) from error


def is_unsafe(artifact: Artifact, store: ObjectStore) -> bool:
    """Whether reading it runs code: of a list, any of its items."""
    if artifact.unsafe:
        return True
    return is_list(artifact) and any(is_unsafe(item, store) for item in items_of(artifact, store))


def _item(artifact: Artifact, numbers: list[int], name: str, run: str, store: ObjectStore) -> Artifact:
    for number in numbers:
        items = items_of(artifact, store) if is_list(artifact) else []
        if number >= len(items):
            whole = f"{name.partition('[')[0]} with {len(items)} items"
            raise UnknownOutput(run=run, name=name, known=[whole])
        artifact = items[number]
    return artifact
