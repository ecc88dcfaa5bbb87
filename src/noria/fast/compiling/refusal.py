"""Why a part of a model has no fast form."""

from __future__ import annotations


class NoForm(Exception):
    """Its text is the sentence for people; `compile_model` makes an `Uncompiled` of it."""


def named(value: object) -> str:
    """A part of a model, as its users call it."""
    return type(value).__name__
