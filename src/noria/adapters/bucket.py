"""A bucket on S3, Google Cloud Storage or Azure: keys and bytes, with patience and with errors that say who must act.

The client is obstore, one Rust core for all three. It takes credentials and endpoint from the environment, as the
services' own tools do; what it cannot read itself, the keys in `~/.aws/credentials`, is read here.
"""

from __future__ import annotations

import configparser
import importlib
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

from noria.adapters.bucket_errors import (
    BadObjectsUrl,
    BucketMissing,
    BucketUnavailable,
    NoCredentials,
    NoObjectClient,
    fault_of,
)
from noria.adapters.outside_errors import FileChanged

PATIENCE = 60.0  # s for which a service that does not answer is asked again
FIRST, LONGEST = 0.2, 5.0  # s between two attempts: the first pause, doubled each time, and the last
PART = 8 << 20  # bytes; S3 takes parts from 5 MiB on, and a slow line needs a minute for one of this size
PARTS = 9000  # S3 takes 10,000 of one object
AT_ONCE = 4  # parts under way: with their bytes in memory, 32 MiB
PAGE = 1000  # keys of one answer, and of one request to delete: what S3 takes
SCHEMES = ("s3", "gs", "az")
CLIENT = {
    "connect_timeout": timedelta(seconds=5),
    "read_timeout": timedelta(seconds=60),  # between two bytes; a part on its way up counts as silence
    "timeout": timedelta(hours=12),  # a whole request: the client's own 30 s would cut large objects
}

T = TypeVar("T")


class Held(NamedTuple):
    """An object's outline."""

    key: str
    size: int
    modified: float
    """Seconds since 1970, often whole ones."""
    tag: str | None
    """Changes with the content."""


class Bucket:
    """Keys below a URL's prefix. Each call is tried again while the service does not answer, for `patience` seconds;
    raises what `bucket_errors` has. Safe for many threads; a process opens its own. `once`: a client that asks a single
    time, for what must not be repeated unseen."""

    def __init__(self, client: Any, name: str, *, once: Any = None, patience: float = PATIENCE) -> None:
        self.name = name
        self._client = client
        self._once = once or client
        self._patience = patience
        self._obstore = importlib.import_module("obstore")

    def create(self, key: str, data: bytes | memoryview) -> bool:
        """Store bytes unless the key is taken; whether they were."""
        return self._put(key, data, "create")

    def replace(self, key: str, data: bytes, *, tag: str | None = None) -> bool:
        """Store bytes, whatever is there; with `tag` only instead of that very object. Whether they were."""
        return self._put(key, data, "overwrite" if tag is None else {"e_tag": tag})

    def upload(self, key: str, body: IO[bytes] | memoryview, size: int) -> None:
        """Store bytes in parts that become visible together; those of an attempt that fails are dropped."""
        options = {
            "chunk_size": max(PART, -(-size // PARTS)),
            "max_concurrency": AT_ONCE,
            "use_multipart": True,
        }

        def put() -> None:
            if not isinstance(body, memoryview):
                body.seek(0)
            self._obstore.put(self._client, key, body, **options)

        self._tried("write", put)

    def get(self, key: str) -> tuple[bytes, str | None] | None:
        """An object's bytes and tag; None where there is none."""

        def get() -> tuple[bytes, str | None]:
            found = self._obstore.get(self._client, key)
            return bytes(found.bytes()), found.meta["e_tag"]

        return self._found(get)

    def read(self, key: str, take: Callable[[Iterator[memoryview]], T]) -> T | None:
        """What `take` makes of an object's bytes, part by part, called anew when the line breaks; None where there is
        no object."""

        def parts() -> Iterator[memoryview]:
            for part in self._obstore.get(self._client, key).stream(min_chunk_size=PART):
                yield memoryview(part)

        return self._found(lambda: take(parts()))

    def read_listed(self, held: Held, take: Callable[[Iterator[memoryview]], object]) -> str | None:
        """As `read`, of just the content that was listed; its version's id, where the bucket keeps versions. Raises
        `FileChanged` when there is another content by now."""

        def read() -> str:
            try:
                found = self._obstore.get(self._client, held.key, options={"if_match": held.tag})
            except self._obstore.exceptions.PreconditionError:
                raise FileChanged(path=f"{self.name}/{held.key}") from None
            if found.meta["size"] != held.size:
                raise FileChanged(path=f"{self.name}/{held.key}")
            take(memoryview(part) for part in found.stream(min_chunk_size=PART))
            return found.meta["version"] or ""

        return self._found(read)

    def stretch(self, held: Held, start: int, length: int) -> bytes | None:
        """Some bytes of just the content that was listed; None where the object is gone. Raises `FileChanged`."""

        def get() -> bytes:
            asked = {"range": (start, start + length), "if_match": held.tag}
            try:
                return bytes(self._obstore.get(self._client, held.key, options=asked).bytes())
            except self._obstore.exceptions.PreconditionError:
                raise FileChanged(path=f"{self.name}/{held.key}") from None

        return self._found(get)

    def copy(self, key: str, to: str) -> bool:
        """Give an object a second name, within the bucket; whether it was there."""

        def copy() -> bool:
            self._obstore.copy(self._client, key, to)
            return True

        return self._found(copy) is not None

    def head(self, key: str) -> Held | None:
        """An object's outline; None where there is none."""
        return self._found(lambda: _held(self._obstore.head(self._client, key)))

    def list(self, prefix: str) -> Iterator[Held]:
        """What lies below, in the service's order."""
        stream, last = self._below(prefix, None), None

        def page() -> Sequence[dict[str, Any]]:
            nonlocal stream
            try:
                return next(stream, ())
            except self._obstore.exceptions.BaseError:
                stream = self._below(prefix, last)
                raise

        while found := self._tried("list", page):
            yield from map(_held, found)
            last = found[-1]["path"]

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; absent ones are ignored. Asked once: who removes by age must look again before it asks a
        second time."""
        waiting = list(keys)
        while waiting:
            batch, waiting = waiting[:PAGE], waiting[PAGE:]
            try:
                self._obstore.delete(self._once, batch)
            except FileNotFoundError as error:
                self._raise_if_gone(error)
                self._one_by_one(batch)
            except self._obstore.exceptions.BaseError as error:
                raise fault_of(error, self.name, "delete") from None

    def _one_by_one(self, keys: Iterable[str]) -> None:
        """Some services stop at the first key that is not there."""
        for key in keys:
            try:
                self._obstore.delete(self._once, key)
            except FileNotFoundError as error:
                self._raise_if_gone(error)
            except self._obstore.exceptions.BaseError as error:
                raise fault_of(error, self.name, "delete") from None

    def _below(self, prefix: str, after: str | None) -> Iterator[Sequence[dict[str, Any]]]:
        return iter(self._obstore.list(self._client, prefix, offset=after, chunk_size=PAGE))

    def _put(self, key: str, data: bytes | memoryview, mode: str | dict[str, str]) -> bool:
        """Where the answer of a first attempt was lost, the second finds the key taken: by the same bytes."""
        taken = (self._obstore.exceptions.AlreadyExistsError, self._obstore.exceptions.PreconditionError)

        def put() -> bool:
            try:
                self._obstore.put(self._client, key, data, mode=mode, use_multipart=False)
            except taken:
                return False
            return True

        return self._tried("write", put)

    def _found(self, call: Callable[[], T]) -> T | None:
        def found() -> T | None:
            try:
                return call()
            except FileNotFoundError as error:
                self._raise_if_gone(error)
                return None

        return self._tried("read", found)

    def _raise_if_gone(self, error: FileNotFoundError) -> None:
        """An absent bucket looks like an absent key, but for the service's own code."""
        fault = fault_of(error, self.name, "read")
        if isinstance(fault, BucketMissing):
            raise fault from None

    def _tried(self, op: str, call: Callable[[], T]) -> T:
        """The call's result, asked for again after growing pauses while the service does not answer."""
        until, pause = time.monotonic() + self._patience, FIRST
        while True:
            try:
                return call()
            except (FileNotFoundError, self._obstore.exceptions.BaseError) as error:
                fault = fault_of(error, self.name, op)
            if not isinstance(fault, BucketUnavailable) or time.monotonic() + pause > until:
                raise fault
            time.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, LONGEST)


def open_bucket(url: str, *, patience: float = PATIENCE) -> Bucket:
    """The bucket of `s3://bucket/prefix`, `gs://...` or `az://container/prefix`; asks nothing yet. Raises
    `BadObjectsUrl`, `NoObjectClient`."""
    scheme, _, place = url.partition("://")
    if scheme not in SCHEMES or not place.strip("/"):
        raise BadObjectsUrl(
            url=_plain(url), why=f"it begins with {scheme}://" if place else "it names no bucket"
        )
    try:
        stores = importlib.import_module("obstore.store")
    except ImportError as error:
        raise NoObjectClient(url=_plain(url)) from error
    retrying = {
        "max_retries": 2,
        "retry_timeout": timedelta(seconds=10),
    }  # the rest is ours, for all kinds of faults
    options: dict[str, Any] = {"client_options": {**CLIENT, **_plain_http()}}
    if scheme == "s3" and (keys := _keys_of_file(os.environ, _plain(url))):
        options["config"] = keys
    try:
        client = stores.from_url(url.rstrip("/"), retry_config=retrying, **options)
        once = stores.from_url(url.rstrip("/"), retry_config={**retrying, "max_retries": 0}, **options)
    except (ValueError, importlib.import_module("obstore").exceptions.BaseError) as error:
        raise BadObjectsUrl(url=_plain(url), why=str(error).partition("\n")[0][:200]) from None
    return Bucket(client, _plain(url), once=once, patience=patience)


def _plain(url: str) -> str:
    """Without what looks like credentials, and without a slash at its end."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2].partition('?')[0].rstrip('/')}"


def _plain_http() -> dict[str, bool]:
    """Whoever writes http:// into the environment means it."""
    given = (os.environ.get(name, "") for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"))
    return {"allow_http": True} if any(url.startswith("http://") for url in given) else {}


def _keys_of_file(given: Mapping[str, str], bucket: str) -> dict[str, str]:
    """Keys that stand in the file of AWS's own tools, where the environment has none."""
    if any(
        name in given for name in ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_SKIP_SIGNATURE")
    ):
        return {}
    path = Path(given.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials").expanduser()
    found = configparser.ConfigParser(interpolation=None)
    try:
        found.read(path)
    except (configparser.Error, UnicodeDecodeError) as error:
        raise NoCredentials(bucket=bucket, hint=f"{path} is no file of credentials: correct it") from error
    profile = given.get("AWS_PROFILE", "default")
    if not found.has_option(profile, "aws_secret_access_key"):
        return {}
    names = {"access_key_id": "aws_access_key_id", "secret_access_key": "aws_secret_access_key"}
    names["session_token"] = "aws_session_token"
    return {ours: found[profile][theirs] for ours, theirs in names.items() if theirs in found[profile]}


def _held(meta: dict[str, Any]) -> Held:
    return Held(meta["path"], meta["size"], meta["last_modified"].timestamp(), meta["e_tag"])
