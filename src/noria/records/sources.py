"""Where a run comes from: its commit, its working tree, its environment and its machine."""

from __future__ import annotations

from noria.records.base import Digest, Record


class LeftOut(Record):
    """A file of the project that the record does not hold, and why."""

    path: str
    why: str


class Source(Record, kw_only=True):
    """The code of a run. `tree` alone rebuilds every file; commit and diff say how it came about."""

    commit: str
    branch: str | None = None
    """None on a detached head."""
    folder: str = "."
    """The project's folder inside its repository."""
    tree: Digest
    """A `Tree` record in the object store: every file that git tracks or would track."""
    dirty: bool = False
    diff: Digest | None = None
    """`git diff HEAD` as bytes in the object store, when tracked files differ."""
    untracked: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


class TreeFile(Record):
    """One file of a tree; a symbolic link's bytes are its target."""

    path: str
    digest: Digest
    mode: int = 0o644


class Tree(Record):
    """A project's files, sorted by path; stored as canonical JSON under its own digest."""

    files: tuple[TreeFile, ...]


class Environment(Record, kw_only=True):
    """What the code runs in. Its digest is part of every fingerprint, so nothing volatile stands here."""

    python: str
    """`3.11.7`."""
    implementation: str
    platform: str
    """`linux-x86_64`."""
    lock: str | None = None
    """`uv.lock`, `pylock.toml` or `requirements.txt`; None: the installed distributions were taken, since there was
    no lock or the interpreter did not have what it says."""
    packages: Digest
    """Of the lock's normalised names, versions and hashes, or of the installed names and versions. The list itself is
    in the object store under this digest."""
    beside: dict[str, str] = {}
    """Versions of Noria and of what it needs, as far as the lock does not pin them."""
    group: str | None = None
    """The dependency group that it has beside the project's own dependencies."""


class Machine(Record):
    """Where a run ran; never part of a fingerprint."""

    host: str
    cpu: str
    cores: int
    memory: int
    """Bytes."""
    threads: int
    """Threads that BLAS, OpenMP and polars were given."""


class Provenance(Record):
    """Everything that pins a run besides its data and its parameters."""

    source: Source
    environment: Environment
    machine: Machine
    groups: dict[str, Environment] = {}
    """Environments that single steps run in, by the name of their dependency group."""
