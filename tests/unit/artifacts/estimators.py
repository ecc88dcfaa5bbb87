"""Parts of models that a project wrote itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin


class Rounder(TransformerMixin, BaseEstimator):
    """Rounds to the digits that it was told."""

    def __init__(self, digits: int = 1) -> None:
        self.digits = digits

    def fit(self, rows: Any, label: Any = None) -> Rounder:
        self.columns_ = np.shape(rows)[1]
        return self

    def transform(self, rows: Any) -> Any:
        return np.round(rows, self.digits)


def halve(rows: Any) -> Any:
    return np.asarray(rows) / 2
