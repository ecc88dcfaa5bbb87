"""What a token must be for to ask another model, before the request goes on to it."""

from __future__ import annotations

import pytest

from noria.serving.neighbours import Neighbours, model_of
from noria.serving.paths import OF_A_MODEL, V1, V2, is_probe, scope_of
from noria.serving.routes import Front


def test_the_door_and_the_workers_agree_on_what_a_path_wants() -> None:
    front = Front.__new__(Front)
    front._neighbours = Neighbours.__new__(Neighbours)
    own = {
        (method, path, scope)
        for _, method, path, _, scope in (*front._paths(), *front._among_others())
        if path.startswith((V1, V2))
    }
    assert own == set(OF_A_MODEL)


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", "/v1/models/a/predict", "infer"),
        ("POST", "/v2/models/a/versions/3/infer", "infer"),
        ("HEAD", "/v1/models/a", "infer"),
        ("POST", "/v1/models/a/feedback", "feedback"),
        ("POST", "/v2/models/a/feedback", None),
        ("POST", "/v2/models/a/ready", None),
        ("POST", "/v1/models/a/need", None),
    ],
)
def test_scopes(method: str, path: str, scope: str | None) -> None:
    assert scope_of(method, path) == scope
    assert not is_probe(method, path), "so it needs a token"


def test_probes() -> None:
    assert is_probe("GET", "/v2/models/a/versions/3/ready") and is_probe("HEAD", "/v2/models/a/ready")
    assert not is_probe("GET", "/v1/models/a/ready")


@pytest.mark.parametrize(
    ("url", "model"),
    [
        (b"/v1/models/a/predict", "a"),
        (b"/v1/models/a:3/predict?x=/v1/models/b", "a"),
        (b"/v2/models/a@champion/infer", "a"),
        (b"/v1/models/a#/../b/predict", "a"),
        (b"http://host/v1/models/a/predict", "a"),
        (b"/v1/models", None),
        (b"/v1/models/", None),
        (b"/v3/models/a", None),
    ],
)
def test_which_model_a_path_names(url: bytes, model: str | None) -> None:
    assert model_of(url) == model
