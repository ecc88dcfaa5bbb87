"""What callers hear of a keeper whose records fail: the code, and none of the places."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from noria.adapters.sql.errors import StoreDamaged, StoreFailed, StoreLost
from noria.errors import NoriaError
from noria.serving.connection import Raw
from noria.serving.keeper import Hub
from noria.serving.messages import Request

SECRET = "postgresql://noria@db.inside:5432/models"


@pytest.mark.parametrize("kind", [StoreLost, StoreFailed, StoreDamaged])
def test_records_that_fail_name_no_place_to_callers(kind: type[Any]) -> None:
    error: NoriaError = kind(store=SECRET, op="feedback", reason=f"no route to {SECRET}")

    def take(request: Request) -> None:
        raise error

    told: list[tuple[str, dict[str, Any]]] = []
    hub = Hub(
        house=cast(Any, SimpleNamespace(of=lambda model: SimpleNamespace(labels=SimpleNamespace(take=take)))),
        metrics=cast(Any, SimpleNamespace(request=lambda name, status: None)),
        narrate=lambda event, /, **facts: told.append((event, facts)),
    )
    path = "/v1/models/delay/feedback"
    request = Request("POST", path, body=b'{"id": "x", "label": 1}')
    response = asyncio.run(
        hub.routes.handle(request, Raw(b"POST", path.encode(), [], request.body, keep=True))
    )
    body = json.loads(response.body)
    assert (response.status, body["code"]) == (error.status, error.code)
    assert "db.inside" not in response.body.decode()
    [(event, facts)] = told
    assert event == "request.failed"
    assert SECRET in facts["why"]
    assert facts["incident"] in body["next"]
