"""skops archives in one form: the same fitted model gives the same bytes in every process.

skops names files and objects by their addresses in memory and by random numbers, and dates each file. Here a file
is named by its content and dated 1980; an object has a number only where it is shared, counted in the order of
their first appearance; what can't change is shared wherever it is equal, whether it was one object or several; and a
set is written in the order of its items' text.
"""

from __future__ import annotations

import ast
import io
import json
import re
from collections import Counter
from collections.abc import Hashable, Iterator
from functools import lru_cache
from typing import Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np

from noria.artifacts.arrays import without_gaps
from noria.artifacts.boosters import without_threads
from noria.records.base import digest_bytes

SCHEMA = "schema.json"
EARLIEST = (1980, 1, 1, 0, 0, 0)  # the first date that a zip archive can hold
FIXED = {"JsonNode", "TypeNode", "FunctionNode", "TupleNode", "DTypeNode", "SliceNode", "BytesNode"}
PLAIN = {"JsonNode", "TypeNode"}  # of these, what holds nothing that could change
_STRUCTURED = re.compile(rb"'descr': (\[.*\]), 'fortran_order'")

_TEXT, _BINS = "sklearn.feature_extraction.text", "sklearn.ensemble._hist_gradient_boosting.binning"
PASSING = {  # attributes that tell of the process and not of the model, with what reads as "not known" to their class
    (_TEXT, "CountVectorizer"): ("_stop_words_id", "0"),  # an address in memory, kept to warn only once
    (_TEXT, "TfidfVectorizer"): ("_stop_words_id", "0"),
    (_TEXT, "HashingVectorizer"): ("_stop_words_id", "0"),
    (_BINS, "_BinMapper"): ("n_threads", "null"),  # None is its own default: all cores of its reader
}

Node = dict[str, Any]


def canonical_archive(data: bytes) -> tuple[bytes, set[str]]:
    """`canonical` for an archive that skops has written."""
    return canonical(*unpacked(data))


def canonical(schema: Node, members: dict[str, bytes]) -> tuple[bytes, set[str]]:
    """The same model in the one form, which skops reads as any other, and the full names of the classes in it. The
    schema is changed. Raises TypeError for what skops would misread."""
    names: dict[str, str] = {}
    kept: dict[str, bytes] = {}
    for name, content in members.items():
        content = _member(name, content)
        names[name] = f"{digest_bytes(content)[7:39]}.{name.rpartition('.')[2]}"
        kept[names[name]] = content
    schema.pop("_skops_version", None)
    _rewrite(schema, names)
    nodes = list(_nodes(schema))
    _refuse_keys(nodes)
    _number(nodes, {name for name, content in kept.items() if _is_empty(name, content)})
    return _packed(schema, kept), {f"{node['__module__']}.{node['__class__']}" for node in nodes}


def _refuse_keys(nodes: list[Node]) -> None:
    """skops writes keys as text, and takes any text for True."""
    for node in nodes:
        if node["__loader__"] == "DictNode" and {"bool", "NoneType"} & {
            key["__class__"] for key in node["key_types"]["content"]
        }:
            raise TypeError("a dict with keys that are True, False or None")


def unpacked(data: bytes) -> tuple[Node, dict[str, bytes]]:
    """An archive's schema, and its files by name."""
    with ZipFile(io.BytesIO(data)) as archive:
        schema = json.loads(archive.read(SCHEMA))
        return schema, {name: archive.read(name) for name in archive.namelist() if name != SCHEMA}


def _packed(schema: Node, members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with ZipFile(buffer, "w", compression=ZIP_STORED) as archive:
        _add(archive, SCHEMA, json.dumps(schema, separators=(",", ":")).encode())
        for name in sorted(members):
            _add(archive, name, members[name])
    return buffer.getvalue()


def _add(archive: ZipFile, name: str, content: bytes) -> None:
    entry = ZipInfo(name, date_time=EARLIEST)
    entry.create_system = 3  # Unix, wherever it is written
    entry.external_attr = 0o600 << 16
    archive.writestr(entry, content)


def _member(name: str, content: bytes) -> bytes:
    """A file without what differs from one writing to the next."""
    if name.endswith(
        ".npz"
    ):  # sparse matrices: an archive in the archive, compressed by whichever zlib there is
        inner = {entry: _member(entry, data) for entry, data in _files(content).items()}
        buffer = io.BytesIO()
        with ZipFile(buffer, "w", compression=ZIP_STORED) as archive:
            for entry in sorted(inner):
                _add(archive, entry, inner[entry])
        return buffer.getvalue()
    return _filled(content) if name.endswith(".npy") else content


def _filled(content: bytes) -> bytes:
    """An array's file whose gaps between the fields are zero. A forest has hundreds of a few rows each, of one dtype."""
    start = 10 + int.from_bytes(content[8:10], "little")  # behind magic, version and the header's length
    structured = _STRUCTURED.search(content, 10, start)
    if structured is None:
        return content
    rows = np.frombuffer(content, _dtype(structured[1]), offset=start)
    filled: bytes = without_gaps(rows).tobytes()
    return content[:start] + filled


@lru_cache(maxsize=64)
def _dtype(description: bytes) -> Any:
    return np.lib.format.descr_to_dtype(ast.literal_eval(description.decode("latin-1")))


def _files(content: bytes) -> dict[str, bytes]:
    with ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _rewrite(node: Any, names: dict[str, str]) -> None:
    """Give files their new names, order sets, and drop what passes."""
    if isinstance(node, list):
        for item in node:
            _rewrite(item, names)
        return
    if not isinstance(node, dict):
        return
    for value in node.values():
        _rewrite(value, names)
    if "__loader__" not in node:
        return
    if isinstance(node.get("file"), str):
        node["file"] = names[node["file"]]
    if node["__loader__"] == "SetNode":
        node["content"].sort(key=_text)
    elif node["__loader__"] == "ConstructorFromReduceNode" and node["__class__"] == "frozenset":
        node["content"]["content"][0]["content"].sort(key=_text)
    elif node["__loader__"] == "ObjectNode" and isinstance(node.get("content"), dict):
        _forget(node["__module__"], node["__class__"], node["content"].get("content"))


def _forget(module: str, name: str, state: Any) -> None:
    """Drop from an object's state what tells of the process that made it."""
    if (module, name) == ("lightgbm.basic", "Booster"):
        _unthread(state)
    elif (module, name) in PASSING:
        attribute, unknown = PASSING[module, name]
        if attribute in state:
            state[attribute] = {**state[attribute], "content": unknown}


def _unthread(state: dict[str, Node]) -> None:
    text = state["_handle"]
    text["content"] = json.dumps(without_threads(json.loads(text["content"])))
    parameters = state["params"]["content"]
    if "num_threads" in parameters:
        parameters["num_threads"]["content"] = "0"


def _text(node: Any) -> str:
    """A node without its number, to order by."""
    if isinstance(node, dict):
        return "{" + ",".join(f"{key}:{_text(value)}" for key, value in node.items() if key != "__id__") + "}"
    return "[" + ",".join(map(_text, node)) + "]" if isinstance(node, list) else repr(node)


def _number(nodes: list[Node], empty: set[str]) -> None:
    """Numbers from 1 for what is shared and can change, and for what is equal and cannot: a boosting has an array
    without items, and the type of a name, hundreds of times, and skops makes an object with a number once."""
    sharing = _sharing(nodes, empty)
    uses = Counter(key for key in sharing if key is not None)
    numbers: dict[Hashable, int] = {}
    for node, key in zip(nodes, sharing, strict=True):
        node.pop("__id__", None)
        if key is not None and uses[key] > 1:
            node["__id__"] = numbers.setdefault(key, len(numbers) + 1)


def _sharing(nodes: list[Node], empty: set[str]) -> list[Hashable]:
    """What a node has in common with those that are to be one object: an address, or all that it says; None where it
    is to have no number."""
    lists = {
        id(node["key_types"]) for node in nodes if node["__loader__"] == "DictNode"
    }  # a dict is made by them
    found: list[Hashable] = []
    for node in nodes:
        if node["__loader__"] in PLAIN or _is_scalar(node) or node.get("file") in empty:
            found.append(tuple([value for name, value in node.items() if name != "__id__"]))
        elif id(node) in lists:
            found.append(_text(node))
        else:
            found.append(None if _fixed(node) else node.get("__id__"))
    return found


def _fixed(node: Node) -> bool:
    return node["__loader__"] in FIXED or _is_scalar(node)


def _is_scalar(node: Node) -> bool:
    kind = getattr(np, node["__class__"], None) if node["__loader__"] == "NdArrayNode" else None
    return isinstance(kind, type) and issubclass(kind, np.generic)


def _is_empty(name: str, content: bytes) -> bool:
    """An array without items: its file is the header of numpy's first form, and nothing behind it."""
    return (
        name.endswith(".npy")
        and content[6] == 1
        and len(content) == 10 + int.from_bytes(content[8:10], "little")
    )


def _nodes(root: Any) -> Iterator[Node]:
    """Every node that stands for an object, parents first, in the order in which they are written."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if "__loader__" in node:
                yield node
            waiting += [value for value in reversed(node.values()) if isinstance(value, dict | list)]
        else:
            waiting += [value for value in reversed(node) if isinstance(value, dict | list)]


def nodes_of(schema: Node, module: str, prefix: str) -> list[Node]:
    """The nodes whose class is of that module and begins so."""
    return [
        node
        for node in _nodes(schema)
        if node["__module__"] == module and node["__class__"].startswith(prefix)
    ]


def nodes_loaded_by(schema: Node, loader: str) -> list[Node]:
    """The nodes that one of skops' loaders makes, whatever class they claim to be of."""
    return [node for node in _nodes(schema) if node["__loader__"] == loader]
