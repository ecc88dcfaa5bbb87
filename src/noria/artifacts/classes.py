"""A user's classes by their path: what is written for an instance, and how its class is found again."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from enum import Enum
from typing import Any

from noria.errors import ConfigError


@dataclass(eq=False)
class ClassGone(ConfigError):
    """An artifact holds an instance of a class that is no longer where it was."""

    code = "CLASS-GONE"
    what = "the artifact holds an instance of {path}, which cannot be found: {why}"
    next = "put the class back under this name, or run the step again"
    path: str
    why: str


def is_instance(value: object) -> bool:
    """Whether it is an instance of a dataclass, a msgspec struct or a named tuple."""
    kind = type(value)
    return (
        hasattr(kind, "__dataclass_fields__")
        or hasattr(kind, "__struct_fields__")
        or (isinstance(value, tuple) and hasattr(kind, "_fields"))
    )


def field_names(value: Any) -> tuple[str, ...]:
    """The fields of such an instance, in their order."""
    kind = type(value)
    if hasattr(kind, "__dataclass_fields__"):
        import dataclasses

        return tuple(field.name for field in dataclasses.fields(value))
    return tuple(getattr(kind, "__struct_fields__", ()) or kind._fields)


def class_path(cls: type) -> str | None:
    """`module:Name`; None for a class that another process could not find under it."""
    found: Any = sys.modules.get(cls.__module__)
    for name in cls.__qualname__.split("."):
        found = getattr(found, name, None)
    return f"{cls.__module__}:{cls.__qualname__}" if found is cls and cls.__module__ != "__main__" else None


def find_class(path: str) -> type:
    """The class of that path, if it is of a kind that a structure may hold. Imports its module and nothing else."""
    module, _, name = path.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise ClassGone(path=path, why=str(error)) from error
    holds_fields = isinstance(found, type) and any(
        hasattr(found, mark) for mark in ("__dataclass_fields__", "__struct_fields__", "_fields")
    )
    if not holds_fields and not (isinstance(found, type) and issubclass(found, Enum)):
        raise ClassGone(path=path, why="it is no dataclass, struct, named tuple or enum any more")
    return found  # type: ignore[no-any-return]


def rebuilt(cls: Any, fields: dict[str, Any]) -> Any:
    """An instance with just these fields; a dataclass's `__init__` and `__post_init__` are not run again."""
    if not hasattr(cls, "__dataclass_fields__"):
        return cls(**fields)
    instance = cls.__new__(cls)
    for name, value in fields.items():
        object.__setattr__(instance, name, value)
    return instance
