"""LightGBM's and XGBoost's boosters in their own formats, which every other runtime of these models reads too."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from noria.artifacts.codec import Shelf, spelled
from noria.artifacts.kinds import kind_of
from noria.records.artifacts import Artifact
from noria.records.base import Digest

_THREADS = re.compile(r"^\[num_threads: -?\d+\]$", re.MULTILINE)


class LightGbmCodec:
    """A booster as text: the trees up to its best iteration, which are those that it answers with."""

    name = "lightgbm"
    version = 1

    def fits(self, value: object) -> bool:
        return kind_of(value) == "lightgbm.Booster"

    def save(self, value: Any, shelf: Shelf) -> Artifact:
        data = without_threads(value.model_to_string()).encode()
        return Artifact(
            digest=shelf.store.put(data), codec=spelled(self), size=len(data), type="lightgbm.Booster"
        )

    def load(self, artifact: Artifact, shelf: Shelf) -> Any:
        import lightgbm

        return lightgbm.Booster(model_str=shelf.store.get(artifact.digest).decode())

    def holds(self, artifact: Artifact, shelf: Shelf) -> Iterable[Digest]:
        return ()


class XgBoostCodec:
    """A booster in XGBoost's UBJSON: trees, attributes (the best iteration among them), names and types of features.

    What it was trained with (threads, device) is no part of the format.
    """

    name = "xgboost"
    version = 1

    def fits(self, value: object) -> bool:
        return kind_of(value) == "xgboost.Booster"

    def save(self, value: Any, shelf: Shelf) -> Artifact:
        data = value.save_raw("ubj")
        return Artifact(
            digest=shelf.store.put(data), codec=spelled(self), size=len(data), type="xgboost.Booster"
        )

    def load(self, artifact: Artifact, shelf: Shelf) -> Any:
        import xgboost

        return xgboost.Booster(model_file=bytearray(shelf.store.get(artifact.digest)))

    def holds(self, artifact: Artifact, shelf: Shelf) -> Iterable[Digest]:
        return ()


def without_threads(text: str) -> str:
    """The model without the number of threads it was trained with: a fact of the machine, not of the model.

    0 is LightGBM's own default, all of the reader's cores.
    """
    return _THREADS.sub("[num_threads: 0]", text)
