"""Which requests shadows get a copy of."""

from __future__ import annotations

from typing import Any

import pytest

from noria.records.routing import Routing
from noria.serving.dispatch import Paths
from noria.serving.messages import Response


class Kept:
    def __init__(self) -> None:
        self.raws: list[Any] = []

    def copy(self, raw: Any) -> None:
        self.raws.append(raw)


@pytest.mark.parametrize(
    ("answer", "copied"),
    [
        (b"an answer", True),
        (Response(200, b""), True),
        (Response(500, b""), True),
        (Response(422, b""), False),
        (Response(503, b""), False),
        (Response(504, b""), False),
    ],
    ids=["bytes", "answered", "the version failed", "refused", "a full queue", "too late"],
)
def test_a_shadow_gets_what_was_answered_and_what_the_version_failed_at(
    answer: bytes | Response, copied: bool
) -> None:
    shadow, sent, raw = Kept(), [], object()
    paths = Paths(Routing(model="m", champion=1), {}, {2: shadow}, {})  # type: ignore[dict-item]
    paths.copied(raw, sent.append)(answer)  # type: ignore[arg-type]
    assert sent == [answer], "the caller first"
    assert shadow.raws == [raw] * copied
