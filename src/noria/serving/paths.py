"""The paths of a service, as patterns; and those that each model has, with what a token must be for to ask them.

Whoever passes a request on to another model must know that before, for a stranger's request must not load one.
"""

from __future__ import annotations

import re

from noria.records.tokens import Scope

MODELS = r"/v1/models"
INDEX = r"/v2/repository/index"
LOAD = r"/v2/repository/models/(?P<model>[^/]+)/load"
UNLOAD = r"/v2/repository/models/(?P<model>[^/]+)/unload"
V1 = r"/v1/models/(?P<model>[^/]+)"
V2 = r"/v2/models/(?P<model>[^/]+)(?:/versions/(?P<version>[^/]+))?"
OPENAPI, DOCS = r"/openapi\.json", "/docs"

OF_A_MODEL: tuple[tuple[str, str, Scope | None], ...] = (
    ("POST", V1 + "/predict", "infer"),
    ("POST", V2 + "/infer", "infer"),
    ("POST", V1 + "/feedback", "feedback"),
    ("GET", V1, "infer"),
    ("GET", V2, "infer"),
    ("GET", V2 + "/ready", None),
    ("GET", V1 + OPENAPI, "infer"),
    ("GET", V1 + DOCS, "infer"),
)
"""As a worker's table has them; a test holds them against it."""
_PATTERNS = tuple((method, re.compile(path), scope) for method, path, scope in OF_A_MODEL)


def is_probe(method: str, path: str) -> bool:
    """Whether this only asks whether a model is ready, which needs no token and loads nothing."""
    return _found(method, path) == (None,)


def scope_of(method: str, path: str) -> Scope | None:
    """What a token must be for; None where there is no such path, or it needs none."""
    found = _found(method, path)
    return found[0] if found else None


def _found(method: str, path: str) -> tuple[Scope | None] | None:
    method = "GET" if method == "HEAD" else method
    for each, pattern, scope in _PATTERNS:
        if each == method and pattern.fullmatch(path):
            return (scope,)
    return None
