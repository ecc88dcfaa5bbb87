"""Keys as labels are stored for them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from noria.graph.labels import Unfit, read_key
from noria.records.artifacts import Column
from noria.records.versions import RequestColumn, Signature


def test_a_key_that_no_database_holds_is_refused_and_no_fault_of_the_service() -> None:
    """PostgreSQL's texts have no NUL; its driver raised, which was a 500."""
    signature = Signature(
        request=(RequestColumn(name="ride", type="string"),),
        key=("ride",),
        answer=(Column(name="answer", type="double"),),
    )
    version: Any = SimpleNamespace(signature=signature)
    assert read_key(version, ["a\n"]) == "a\n"
    with pytest.raises(Unfit) as caught:
        read_key(version, ["a\0b"])
    assert (caught.value.given, caught.value.expected[:17]) == ('"a\\u0000b"', "a key without NUL")
