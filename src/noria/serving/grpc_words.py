"""The protocol's messages as classes, made from `inference.proto` when they are first needed: no generated code to keep,
and none that is bound to one version of protobuf.

In a pool of their own: another library in the same process may bring the same names.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SERVICE = "inference.GRPCInferenceService"

_OPEN = re.compile(r"(message|oneof|service) (\w+) \{")
_FIELD = re.compile(r"(repeated )?(map<string, (\w+)>|\w+) (\w+) = (\d+);")
_RPC = re.compile(r"rpc (\w+)\((\w+)\) returns \((\w+)\);")
_Field = descriptor_pb2.FieldDescriptorProto
_PLAIN: dict[str, Any] = {
    "bool": _Field.TYPE_BOOL,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "uint32": _Field.TYPE_UINT32,
    "uint64": _Field.TYPE_UINT64,
    "float": _Field.TYPE_FLOAT,
    "double": _Field.TYPE_DOUBLE,
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
}


@cache
def messages() -> dict[str, Any]:
    """The messages' classes by name, those inside another by `Outer.Inner`."""
    file = _file(_text())
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = message_factory.GetMessageClassesForFiles([file.name], pool)
    return {name.removeprefix("inference."): made for name, made in found.items()}


def methods() -> list[tuple[str, str, str]]:
    """Name, request and response of each of the service's methods."""
    return _RPC.findall(_text())


def _text() -> str:
    return (resources.files("noria.serving") / "inference.proto").read_text()


def _file(text: str) -> Any:
    """What the compiler would make of the file; it knows as much of the language as the file uses."""
    file = descriptor_pb2.FileDescriptorProto(
        name="noria/serving/inference.proto", package="inference", syntax="proto3"
    )
    open_messages: list[Any] = []
    oneof: int | None = None
    depth: list[str] = []
    for line in map(str.strip, text.splitlines()):
        if opened := _OPEN.fullmatch(line):
            depth.append(opened[1])
            if opened[1] == "message":
                parent = open_messages[-1].nested_type if open_messages else file.message_type
                open_messages.append(parent.add(name=opened[2]))
            elif opened[1] == "oneof":
                open_messages[-1].oneof_decl.add(name=opened[2])
                oneof = len(open_messages[-1].oneof_decl) - 1
        elif line == "}":
            closed = depth.pop()
            if closed == "message":
                open_messages.pop()
            oneof = None
        elif found := _FIELD.fullmatch(line):
            _add_field(open_messages[-1], found, oneof)
    return file


def _add_field(message: Any, found: re.Match[str], oneof: int | None) -> None:
    repeated, kind, values, name, number = found.groups()
    field = message.field.add(name=name, number=int(number), label=_Field.LABEL_OPTIONAL)
    if values:
        kind = _entry(message, name, values)
    if repeated or values:
        field.label = _Field.LABEL_REPEATED
    if oneof is not None:
        field.oneof_index = oneof
    _be_of(field, kind)


def _be_of(field: Any, kind: str) -> None:
    if kind in _PLAIN:
        field.type = _PLAIN[kind]
    else:
        field.type_name = kind  # looked up from the inside out, as the language says


def _entry(message: Any, name: str, values: str) -> str:
    """A map is a list of entries of a message of its own."""
    entry = message.nested_type.add(name="".join(map(str.title, name.split("_"))) + "Entry")
    entry.options.map_entry = True
    key = entry.field.add(name="key", number=1, label=_Field.LABEL_OPTIONAL)
    value = entry.field.add(name="value", number=2, label=_Field.LABEL_OPTIONAL)
    _be_of(key, "string")
    _be_of(value, values)
    return str(entry.name)
