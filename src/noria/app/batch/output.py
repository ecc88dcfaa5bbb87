"""Where a batch's answers go: what lies there already, what of it is done, and what tells the next reader."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from noria.app.batch.errors import OtherBatch, OutputIsFile, OutputTaken
from noria.app.batch.formats import ENDINGS
from noria.ports.places import Place
from noria.records.base import Digest, canonical, digest_bytes, parse
from noria.records.batches import Begun, Manifest, PartDone, Work

MANIFEST = "_noria.json"
BEGUN = "_noria/begun.json"
OURS = re.compile(r"part-\d{5,}\.parquet|_noria\.json|_noria/(?:begun|part-\d{5,})\.json")
ALIKE = {"batch_rows"}  # what two batches may differ in whose parts are the same


@dataclass(frozen=True)
class Output:
    """A folder of parts."""

    place: Place

    def begun(self) -> Begun | None:
        body = self.place.read(BEGUN)
        return None if body is None else parse(body, Begun)

    def manifest(self) -> Manifest | None:
        body = self.place.read(MANIFEST)
        return None if body is None else parse(body, Manifest)

    def begin(self, begun: Begun) -> None:
        self._write(BEGUN, canonical(begun))

    def keep(self, done: PartDone) -> None:
        """Note that a part is whole. It lies there already."""
        self._write(_note(done.part), canonical(done))

    def done(self, work: Work) -> dict[str, PartDone]:
        """The parts that need not be done again, by name."""
        lying = set(self.place.names())
        found = (
            self.place.read(_note(piece.part))
            for piece in work.pieces
            if {piece.part, _note(piece.part)} <= lying
        )
        notes = [parse(body, PartDone) for body in found if body is not None]
        return {done.part: done for done in notes}

    def finish(self, manifest: Manifest) -> Digest:
        """Write the manifest; its digest."""
        body = canonical(manifest)
        self._write(MANIFEST, body)
        return digest_bytes(body)

    def tidy(self) -> None:
        """Drop what was only of use until the end."""
        self.place.drop([name for name in self.place.names() if name.startswith("_noria/")])

    def clear(self, names: Iterable[str]) -> None:
        """Drop what another batch left here, and what a killed one left half: its manifest first, so that nobody takes the
        rest for a whole."""
        self.place.drop(sorted(names, key=lambda name: (name != MANIFEST, name)))
        self.place.sweep()

    def _write(self, name: str, body: bytes) -> None:
        with self.place.writing(name) as path:
            path.write_bytes(body)


def require_folder(address: str) -> None:
    """Raises `OutputIsFile` for a name that reads like that of one file."""
    ending = PurePosixPath(address).suffix.lower()
    if ending in ENDINGS:
        raise OutputIsFile(output=address, ending=ending)


def taken(output: Output, *, resume: bool, overwrite: bool) -> Sequence[str]:
    """What of an earlier batch has to go. Raises `OutputTaken` where something lies there that must not be touched."""
    names = output.place.names()
    foreign = [name for name in names if not OURS.fullmatch(name)]
    url = output.place.url
    if foreign:
        holds = f"{foreign[0]}" + (f" and {len(foreign) - 1} other files" if foreign[1:] else "")
        raise OutputTaken(
            output=url, holds=f"{holds}, which no batch wrote", fix="name an empty folder, or a new one"
        )
    if overwrite:
        return names
    if not names or (resume and {MANIFEST, BEGUN} & set(names)):
        return []
    if BEGUN in names and MANIFEST not in names:
        raise OutputTaken(
            output=url, holds="a batch that is not done", fix="--resume goes on, --overwrite begins anew"
        )
    raise OutputTaken(
        output=url, holds="another batch's answers", fix="name another folder, or --overwrite it"
    )


def require_same(asked: Work, begun: Work, done: Collection[str], *, id: str, output: str) -> None:
    """Raises `OtherBatch` unless going on would write what was begun. A file may have been mended meanwhile, where none of
    its parts is done."""
    differs = [
        name
        for name in Work.__struct_fields__
        if name not in ALIKE and getattr(asked, name) != getattr(begun, name)
    ]
    if differs == ["files"] and not _used(asked, begun, done):
        return
    if differs:
        raise OtherBatch(batch=id, output=output, differs=differs)


def _used(asked: Work, begun: Work, done: Collection[str]) -> bool:
    """Whether a file that differs is another one, or was answered already."""
    used = {piece.file for piece in begun.pieces if piece.part in done}
    both = zip(asked.files, begun.files, strict=False)
    return any(
        one.path != other.path or (one != other and at in used) for at, (one, other) in enumerate(both)
    )


def _note(part: str) -> str:
    return f"_noria/{part.removesuffix('.parquet')}.json"
