"""The secret by which a project's log hashes columns: 32 random bytes in the state folder, made once."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from noria.adapters.log_parquet import sync_folder
from noria.errors import Corrupt
from noria.records.policy import LogPolicy
from noria.records.predictions import Hashing

FILE = "log.secret"
SIZE = 32  # bytes: BLAKE3's key


@dataclass(eq=False)
class BadSecret(Corrupt):
    code: ClassVar[str] = "LOG-SECRET"
    what: ClassVar[str] = "{path} has {size} bytes, and a secret has 32"
    next: ClassVar[str] = (
        "bring it back from a backup: with another one, labels by key do not find their predictions"
    )
    path: str
    size: int


def hashing_of(state: Path, policy: LogPolicy) -> Hashing | None:
    """How the log of a state folder hashes; None where it hashes nothing. Raises `BadSecret`."""
    return Hashing(frozenset(policy.hash), secret_of(state)) if policy.hash else None


def secret_of(state: Path) -> bytes:
    """The secret, made when it is asked for the first time; whoever is first, all get the same."""
    path = state / FILE
    if not path.exists():
        _make(path)
    secret = path.read_bytes()
    if len(secret) != SIZE:
        raise BadSecret(path=str(path), size=len(secret))
    return secret


def _make(path: Path) -> None:
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, secrets.token_bytes(SIZE))
        os.fsync(descriptor)
        with suppress(FileExistsError):  # another process was first
            os.link(partial, path)
    finally:
        os.close(descriptor)
        partial.unlink()
    sync_folder(path.parent)
