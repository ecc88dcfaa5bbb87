"""The working tree, as it is now, into the object store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from noria.ports.objects import ObjectStore
from noria.ports.source import Checkout, Git
from noria.records.base import canonical
from noria.records.sources import LeftOut, Source, Tree, TreeFile
from noria.source.choose import Chosen, choose, holds_secrets, is_utf8, readable
from noria.source.read import Reading, read_all


def capture(project: Path, store: ObjectStore, git: Git) -> Source:
    """Pin a project's code: every file that git tracks or would track, stored one by one, and the patch from the
    commit. Never `.env`, never what git ignores; what else is left out is named with its reason.

    A file that is written to meanwhile is kept as it was read. Raises what `Git` and the store raise.
    """
    parts = list(_parts(project, "", store, git))
    outer = parts[0].checkout
    patch = b"".join(_patch(part, outer, project, git) for part in parts)
    files = sorted((file for part in parts for file in part.files()), key=lambda file: file.path)
    return Source(
        commit=outer.commit,
        branch=outer.branch and readable(outer.branch),
        folder=readable(outer.folder),
        tree=store.put(canonical(Tree(files=tuple(files)))),
        dirty=any(part.touched() or part.chosen.untracked for part in parts),
        diff=store.put(patch) if patch else None,
        untracked=tuple(part.inside + path for part in parts for path in part.chosen.untracked),
        left_out=tuple(sorted((one for part in parts for one in part.left_out()), key=lambda one: one.path)),
    )


@dataclass(frozen=True)
class Part:
    """The project's own repository, or a submodule in it."""

    inside: str
    """Where in the project: empty, or a path that ends in a slash."""
    checkout: Checkout
    modules: tuple[str, ...]
    """The submodules that are there; the others were never checked out."""
    chosen: Chosen
    reading: Reading

    def files(self) -> Iterator[TreeFile]:
        """With their paths inside the project."""
        for file in self.reading.files:
            yield TreeFile(path=self.inside + file.path, digest=file.digest, mode=file.mode)

    def touched(self) -> list[str]:
        """What differs from the commit and may be told."""
        return [path for path in self.checkout.changed if not holds_secrets(path)]

    def left_out(self) -> Iterator[LeftOut]:
        absent = set(self.reading.missing).difference(self.checkout.changed)  # git knows, and does not mind
        empty = set(self.checkout.modules).difference(self.modules, self.checkout.deleted)
        for one in (
            *self.chosen.left_out,
            *self.reading.left_out,
            *(LeftOut(path=path, why="not in the sparse checkout") for path in absent),
            *(LeftOut(path=readable(path), why="a submodule that is not checked out") for path in empty),
        ):
            yield LeftOut(path=self.inside + one.path, why=one.why)


def _parts(project: Path, inside: str, store: ObjectStore, git: Git) -> Iterator[Part]:
    """A repository, then its submodules, each followed by its own."""
    root = project / inside
    checkout = git.look(root)
    modules = tuple(path for path in checkout.modules if is_utf8(path) and (root / path / ".git").exists())
    chosen = choose(checkout)
    yield Part(inside, checkout, modules, chosen, read_all(root, chosen.files, store))
    for module in modules:
        yield from _parts(project, f"{inside}{module}/", store, git)


def _patch(part: Part, outer: Checkout, project: Path, git: Git) -> bytes:
    """What differs from the commit, but for secrets and for what the tree leaves out too; as it applies at the top of
    the outer repository."""
    if not part.touched():
        return b""
    secret = (path for path in part.checkout.changed if holds_secrets(path))
    refused = {one.path for one in part.reading.left_out}.intersection(part.checkout.changed)
    top = "" if outer.folder == "." else f"{outer.folder}/"
    return git.diff(
        project / part.inside,
        leaving_out=[*secret, *sorted(refused)],
        inside=top + part.inside if part.inside else "",
    )
