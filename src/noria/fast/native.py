"""Native libraries of packages, found and opened without importing the packages: that would take seconds."""

from __future__ import annotations

import ctypes
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from noria.fast.errors import NoSuchLibrary

PLACES = {  # package to where in it its library lies
    "lightgbm": ("lib/lib_lightgbm.so", "lib/lib_lightgbm.dylib", "lib_lightgbm.so"),
    "xgboost": ("lib/libxgboost.so", "lib/libxgboost.dylib"),
}


@cache
def native_library(package: str) -> ctypes.CDLL:
    """The opened library of `lightgbm` or `xgboost`. Raises `NoSuchLibrary`."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise NoSuchLibrary(package=package, problem="the package is not installed")
    folder = Path(spec.origin).parent
    found = [folder / place for place in PLACES[package] if (folder / place).exists()]
    if not found:
        raise NoSuchLibrary(package=package, problem=f"{folder} holds none of {', '.join(PLACES[package])}")
    try:
        return ctypes.CDLL(str(found[0]))
    except OSError as error:
        raise NoSuchLibrary(package=package, problem=str(error)) from error


def has_library(package: str) -> bool:
    """Whether models of this library can be answered here."""
    try:
        native_library(package)
    except NoSuchLibrary:
        return False
    return True
