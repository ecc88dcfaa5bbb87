"""A bucket on S3, Google Cloud Storage or Azure: keys and bytes, with patience and with errors that say who must act.

The client is obstore, one Rust core for all three. It takes credentials and endpoint from the environment, as the
services' own tools do; what it cannot read itself, the keys in `~/.aws/credentials`, is read here.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import IO, Any, NamedTuple, TypeVar

from noria.adapters.bucket_environment import endpoint, keys_of_file, plain, plain_http
from noria.adapters.bucket_errors import (
    BadObjectsUrl,
    BucketMissing,
    BucketUnavailable,
    NoObjectClient,
    fault_of,
)
from noria.adapters.outside_errors import FileChanged
from noria.adapters.patience import Patience, Tell, silent
from noria.errors import NoriaError

PATIENCE = 60.0  # s for which a service that does not answer is asked again
MEETING = 15.0  # s of it where none has ever answered: the address is likelier wrong than the service away
GREETING = "greeting"  # a key that need not be there: that it is not, is an answer, too
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

BRIEFLY = {
    "connect_timeout": timedelta(seconds=5),
    "read_timeout": timedelta(seconds=5),
    "timeout": timedelta(seconds=5),
}
"""For a greeting, which is a few bytes both ways."""

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
    raises what `bucket_errors` has. Safe for many threads; a process opens its own."""

    def __init__(
        self,
        client: Any,
        name: str,
        *,
        once: Any = None,
        patience: float = PATIENCE,
        tell: Tell = silent,
        greeter: Callable[[], Any] | None = None,
    ) -> None:
        """`once` is a client that asks a single time, for what must not be repeated unseen; `tell` hears what is waited
        for; `greeter` makes the client of a first question, which is given up after `MEETING` seconds."""
        self.name = name
        self._at = endpoint() if name.startswith("s3://") else ""
        self._client = client
        self._once = once or client
        self._most = patience
        self._patience = Patience(name, BucketUnavailable, pauses=(FIRST, LONGEST), tell=tell)
        self._greeter = greeter
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
                raise self._fault(error, "delete") from None

    def _one_by_one(self, keys: Iterable[str]) -> None:
        """Some services stop at the first key that is not there."""
        for key in keys:
            try:
                self._obstore.delete(self._once, key)
            except FileNotFoundError as error:
                self._raise_if_gone(error)
            except self._obstore.exceptions.BaseError as error:
                raise self._fault(error, "delete") from None

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
        fault = self._fault(error, "read")
        if isinstance(fault, BucketMissing):
            raise fault from None

    def _tried(self, op: str, call: Callable[[], T]) -> T:
        """The call's result, asked for again after growing pauses while the service does not answer."""
        self._greet()
        return self._patience.persist(lambda: self._translated(op, call), self._most)

    def _greet(self) -> None:
        """A service that is met for the first time is asked something small: a large request may rightly be silent for
        a minute, and only this one can be given up sooner. Whatever it answers, it is there."""
        greeter = self._greeter
        if greeter is None:  # another thread may have met it meanwhile
            return
        client = greeter()

        def greet() -> None:
            try:
                self._translated("first request", lambda: self._obstore.head(client, GREETING))
            except BucketUnavailable:
                raise
            except NoriaError:  # what is asked for in earnest says so better
                return

        self._patience.persist(greet, min(MEETING, self._most))
        self._greeter = None

    def _translated(self, op: str, call: Callable[[], T]) -> T:
        try:
            return call()
        except (FileNotFoundError, self._obstore.exceptions.BaseError) as error:
            raise self._fault(error, op) from None

    def _fault(self, error: Exception, op: str) -> NoriaError:
        return fault_of(error, self.name, op, at=self._at)


def open_bucket(url: str, *, patience: float = PATIENCE, tell: Tell = silent, unmet: bool = False) -> Bucket:
    """The bucket of `s3://bucket/prefix`, `gs://...` or `az://container/prefix`; asks nothing yet. `tell` hears what is
    waited for; `unmet`: nobody knows yet whether anything answers there, so it is given up sooner. Raises
    `BadObjectsUrl`, `NoObjectClient`."""
    scheme, _, place = url.partition("://")
    if scheme not in SCHEMES or not place.strip("/"):
        raise BadObjectsUrl(
            url=plain(url), why=f"it begins with {scheme}://" if place else "it names no bucket"
        )
    try:
        stores = importlib.import_module("obstore.store")
    except ImportError as error:
        raise NoObjectClient(url=plain(url)) from error
    retrying = {
        "max_retries": 2,
        "retry_timeout": timedelta(seconds=10),
    }  # the rest is ours, for all kinds of faults
    options: dict[str, Any] = {"client_options": {**CLIENT, **plain_http()}}
    if scheme == "s3" and (keys := keys_of_file(os.environ, plain(url))):
        options["config"] = keys
    try:
        client = stores.from_url(url.rstrip("/"), retry_config=retrying, **options)
        never = {**retrying, "max_retries": 0}
        once = stores.from_url(url.rstrip("/"), retry_config=never, **options)
    except (ValueError, importlib.import_module("obstore").exceptions.BaseError) as error:
        raise BadObjectsUrl(url=plain(url), why=str(error).partition("\n")[0][:200]) from None

    def greeter() -> Any:
        briefly = {**options, "client_options": {**options["client_options"], **BRIEFLY}}
        return stores.from_url(url.rstrip("/"), retry_config=never, **briefly)

    return Bucket(
        client,
        plain(url),
        once=once,
        patience=patience,
        tell=tell,
        greeter=greeter if unmet else None,
    )


def _held(meta: dict[str, Any]) -> Held:
    return Held(meta["path"], meta["size"], meta["last_modified"].timestamp(), meta["e_tag"])
