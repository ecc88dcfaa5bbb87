"""JSON values, and structures of anything that can be stored: each large leaf is an artifact of its own.

A value that is JSON through and through is stored as plain JSON, which anyone can read. What JSON lacks (tuples,
times, classes, a table inside of a dict) is an object whose key `$` says what it is. A dict keeps its order, which
code can see: equal dicts in another order are other bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

import msgspec

from noria.artifacts.atoms import ATOMS, READERS
from noria.artifacts.classes import class_path, field_names, find_class, is_instance, rebuilt
from noria.artifacts.codec import CannotStore, Shelf, spelled
from noria.artifacts.kinds import kind_of, public_name
from noria.records.artifacts import Artifact
from noria.records.base import Digest

TAG = "$"
INLINE = 1024  # bytes of a binary string that stay in the structure: a file of its own costs more than these
WHOLE = 2**63  # integers from here on are no number to other readers of JSON
CONTAINERS = (list, tuple, dict, set, frozenset)


class JsonCodec:
    """Plain values: finite numbers, text, lists, dicts with text keys. A numpy scalar becomes the number it is."""

    name = "json"
    version = 1

    def fits(self, value: object) -> bool:
        kind = type(value)
        small = kind is int and -WHOLE <= value < WHOLE  # type: ignore[operator]
        return value is None or small or kind in (bool, float, str) or kind_of(value) == "numpy.generic"

    def save(self, value: Any, shelf: Shelf) -> Artifact:
        writer = _Writer(None)
        node = writer.node(value)
        if writer.tagged:
            raise CannotStore(
                type=public_name(type(value)), reason="it holds more than plain JSON can say", where=""
            )
        return _stored(node, spelled(self), value, shelf)

    def load(self, artifact: Artifact, shelf: Shelf) -> Any:
        return msgspec.json.decode(shelf.store.get(artifact.digest))

    def holds(self, artifact: Artifact, shelf: Shelf) -> Iterable[Digest]:
        return ()


class BundleCodec:
    """Lists, tuples, dicts, sets, dataclasses, msgspec structs, enums and times, nested as one likes."""

    name = "bundle"
    version = 1

    def fits(self, value: object) -> bool:
        kind = type(value)
        return kind in CONTAINERS or kind in ATOMS or kind_of(value) == "enum.Enum" or is_instance(value)

    def save(self, value: Any, shelf: Shelf) -> Artifact:
        """Plain JSON, where that suffices, is stored as such."""
        writer = _Writer(shelf)
        node = writer.node(value)
        return _stored(node, spelled(self if writer.tagged else JsonCodec()), value, shelf)

    def load(self, artifact: Artifact, shelf: Shelf) -> Any:
        return _read(msgspec.json.decode(shelf.store.get(artifact.digest)), shelf)

    def holds(self, artifact: Artifact, shelf: Shelf) -> Iterable[Digest]:
        for leaf in _leaves(msgspec.json.decode(shelf.store.get(artifact.digest))):
            yield leaf.digest
            yield from shelf.holds(leaf)


def _stored(node: Any, codec: str, value: object, shelf: Shelf) -> Artifact:
    data = msgspec.json.encode(node)
    return Artifact(digest=shelf.store.put(data), codec=codec, size=len(data), type=public_name(type(value)))


class _Writer:
    """Turns a value into JSON; `tagged` says afterwards that plain JSON did not suffice."""

    def __init__(self, shelf: Shelf | None) -> None:
        self.tagged = False
        self._shelf = shelf
        self._path: list[str] = []
        self._open: set[int] = set()

    def node(self, value: Any) -> Any:
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is float:
            return self._number(value)
        if kind is str:
            return self._text(value)
        if kind is int and -WHOLE <= value < WHOLE:
            return value
        if kind in CONTAINERS or is_instance(value):
            return self._container(value, kind)
        return self._rare(value, kind)

    def _rare(self, value: Any, kind: type) -> Any:
        special = kind_of(value)
        if special == "numpy.generic" and value.dtype.kind in "biufU" and value.dtype != "longdouble":
            return self.node(value.item())
        if special == "enum.Enum":
            return self._tag("enum", {"type": self._class(kind), "name": value.name})
        if kind in ATOMS and not (kind is bytes and len(value) > INLINE):
            return self._tag(ATOMS[kind].tag, ATOMS[kind].write(value))
        return self._leaf(value)

    def _number(self, value: float) -> float:
        if not math.isfinite(value):
            self._refuse("float", f"{value} is no JSON number: leave it out, or put None in its place")
        return value

    def _text(self, value: str) -> str:
        if not value.isascii() and not _is_unicode(value):
            self._refuse("str", "it holds half of a surrogate pair, which is no text")
        return value

    def _container(self, value: Any, kind: type) -> Any:
        if id(value) in self._open:
            self._refuse(public_name(kind), "it contains itself")
        self._open.add(id(value))
        node = self._inside(value, kind)
        self._open.discard(id(value))
        return node

    def _inside(self, value: Any, kind: type) -> Any:
        if kind is list:
            return self._items(value)
        if kind is tuple:
            return self._tag("tuple", {"items": self._items(value)})
        if kind is dict:
            return self._dict(value)
        if kind is set or kind is frozenset:
            return self._tag(kind.__name__, {"items": sorted(self._items(value), key=msgspec.json.encode)})
        fields = {name: self._at(f".{name}", getattr(value, name)) for name in field_names(value)}
        return self._tag("object", {"type": self._class(kind), "fields": fields})

    def _dict(self, value: dict[Any, Any]) -> Any:
        if TAG not in value and all(type(key) is str for key in value):
            return {self._text(key): self._at(f".{key}", item) for key, item in value.items()}
        pairs = [[self._at(f".{key}", key), self._at(f".{key}", item)] for key, item in value.items()]
        return self._tag("dict", {"items": pairs})

    def _items(self, values: Iterable[Any]) -> list[Any]:
        return [self._at(f"[{position}]", item) for position, item in enumerate(values)]

    def _at(self, step: str, value: Any) -> Any:
        self._path.append(step)
        node = self.node(value)
        self._path.pop()
        return node

    def _tag(self, tag: str, facts: dict[str, Any]) -> dict[str, Any]:
        self.tagged = True
        return {TAG: tag, **facts}

    def _leaf(self, value: Any) -> Any:
        if self._shelf is None:
            self._refuse(public_name(type(value)), "it is no JSON value")
        try:
            artifact = self._shelf.save(value)
        except CannotStore as error:
            error.where = ".".join(filter(None, [self._where(), error.where]))
            raise
        return self._tag("artifact", {"artifact": msgspec.to_builtins(artifact)})

    def _class(self, cls: type) -> str:
        path = class_path(cls)
        if path is None:
            self._refuse(
                public_name(cls), "no other process can find its class: define it at the top of a module"
            )
        return path

    def _where(self) -> str:
        return "".join(self._path).lstrip(".")

    def _refuse(self, kind: str, reason: str) -> NoReturn:
        raise CannotStore(type=kind, reason=reason, where=self._where())


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _read(node: Any, shelf: Shelf) -> Any:
    if isinstance(node, list):
        return [_read(item, shelf) for item in node]
    if not isinstance(node, dict):
        return node
    tag = node.get(TAG)
    if tag is None:
        return {key: _read(item, shelf) for key, item in node.items()}
    if tag in READERS:
        return READERS[tag](node)
    if tag == "artifact":
        return shelf.load(msgspec.convert(node["artifact"], Artifact))
    if tag == "enum":
        return find_class(node["type"])[node["name"]]  # type: ignore[index]
    if tag == "object":
        return rebuilt(
            find_class(node["type"]), {name: _read(item, shelf) for name, item in node["fields"].items()}
        )
    return _COLLECTIONS[tag](_read(item, shelf) for item in node["items"])


_COLLECTIONS: dict[str, Any] = {"tuple": tuple, "set": set, "frozenset": frozenset, "dict": dict}


def _leaves(node: Any) -> Iterator[Artifact]:
    if isinstance(node, dict) and node.get(TAG) == "artifact":
        yield msgspec.convert(node["artifact"], Artifact)
    elif isinstance(node, dict | list):
        for inner in node.values() if isinstance(node, dict) else node:
            yield from _leaves(inner)
