"""Which columns a part has, and under which names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from noria.app.batch.errors import ColumnsTaken
from noria.records.versions import Signature

VERSION = "version"  # the number of the version that answered
REFUSED = "refused"  # why a row has no answer; only with `--on-refused null`


@dataclass(frozen=True)
class Names:
    """A part's columns, in their order."""

    own: tuple[str, ...]
    """Key and event time, out of the request."""
    kept: tuple[str, ...]
    answers: tuple[str, ...]
    version: str
    refused: str | None

    @property
    def all(self) -> list[str]:
        return [*self.own, *self.kept, *self.answers, self.version, *([self.refused] if self.refused else [])]


def names_of(signature: Signature, columns: Sequence[str], *, refused: bool) -> Names:
    """Key, event time, what is carried over, the answer, the version. A name that a column of the rows has already is
    left to it: the answer's is then `answer.NAME`, the version's `noria.version`. Raises `ColumnsTaken`."""
    own = tuple(dict.fromkeys(filter(None, (*signature.key, signature.time))))
    kept = tuple(name for name in dict.fromkeys(columns) if name not in own)
    taken = {*own, *kept}
    answers = tuple(_free(column.name, "answer.", taken) for column in signature.answer)
    taken.update(answers)
    version = _free(VERSION, "noria.", taken)
    why = _free(REFUSED, "noria.", taken | {version}) if refused else None
    names = Names(own, kept, answers, version, why)
    _require_unlike(names.all)
    return names


def _free(name: str, prefix: str, taken: Iterable[str]) -> str:
    return f"{prefix}{name}" if name in taken else name


def _require_unlike(names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ColumnsTaken(columns=twice, why="a part would have two columns of that name")
