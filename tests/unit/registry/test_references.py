"""How people name versions."""

import pytest

from noria.registry.references import Aliased, Numbered, parse_reference


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("delay:3", Numbered(model="delay", number=3)),
        ("delay@champion", Aliased(model="delay", alias="champion")),
        ("delay", Aliased(model="delay", alias="champion")),
        ("delay@blue-2", Aliased(model="delay", alias="blue-2")),
        ("delay:", None),
        ("delay:x", None),
        ("delay:-1", None),
        ("delay@", None),
        (":3", None),
        ("de lay", None),
        ("", None),
        ("delay:3@champion", None),
    ],
)
def test_reference(text: str, meant: Numbered | Aliased | None) -> None:
    assert parse_reference(text) == meant
