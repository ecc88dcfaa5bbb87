"""Who may ask for what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from noria.ports.clock import VirtualClock
from noria.records.tokens import FORM, ID, SECRET, Scope, Token, hashed, id_of, secret_of
from noria.serving.errors import Unauthorised
from noria.serving.gate import Admitted, Gate, bearer
from noria.serving.raw import Raw
from noria.serving.routes import LOAD, UNLOAD, V2, Front

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Line:
    """What a connection keeps for the gate."""

    known = None


def token(secret: str, *scopes: Scope, models: tuple[str, ...] = (), days: float | None = None) -> Token:
    return Token(
        id=id_of(secret.encode()) or "",
        name="web",
        digest=hashed(secret.encode()),
        scopes=scopes,
        models=models,
        created=NOW,
        by="ada",
        expires=NOW + timedelta(days=days) if days is not None else None,
    )


def a_secret(byte: int = 7) -> str:
    return secret_of(bytes([byte]) * ID + bytes(range(SECRET)))


def gate(*tokens: Token) -> tuple[Gate, VirtualClock]:
    clock = VirtualClock(NOW)
    made = Gate("delay", clock)
    made.follow(Admitted(required=True, tokens=tokens))
    return made, clock


def raw(value: bytes, line: Line) -> Raw:
    return Raw(b"POST", b"/", [(b"Authorization", value)], b"", True, True, line)  # type: ignore[arg-type]


def refusal(
    made: Gate, value: str, scope: Scope | None = "infer", model: str | None = None
) -> tuple[int, str]:
    with pytest.raises(Unauthorised) as caught:
        made.check(value.encode(), scope, *([model] if model else []))
    return caught.value.status, caught.value.code


def test_a_secret_has_a_form_that_scanners_find_and_a_part_that_names_it() -> None:
    secret = a_secret()
    assert FORM.fullmatch(secret.encode()) and secret.startswith("noria_") and len(secret) == 67
    assert id_of(secret.encode()) == secret.split("_")[1]
    assert secret not in str(token(secret, "infer")) and secret.split("_")[2] not in str(
        token(secret, "infer")
    )


def test_a_token_opens_what_it_is_for() -> None:
    made, _ = gate(token(a_secret(), "infer", "metrics"))
    for scheme in ("Bearer", "bearer", "BEARER"):
        made.check(f"{scheme} {a_secret()}".encode(), "infer")
    made.check(f"Bearer {a_secret()}".encode(), "metrics")
    assert refusal(made, f"Bearer {a_secret()}", "feedback") == (403, "TOKEN-SCOPE")
    assert refusal(made, f"Bearer {a_secret()}", "admin") == (403, "TOKEN-SCOPE")


@pytest.mark.parametrize(
    "value",
    [
        f"Bearer {a_secret(8)}",  # nobody has it
        f"Bearer {a_secret()[:-1]}a",  # the right id with another secret
        f"Bearer {a_secret()}x",
        f"Bearer {a_secret().upper()}",
        f"Basic {a_secret()}",
        a_secret(),
        "Bearer",
        "Bearer ",
        "Bearer \u00e9",
        "\0",
    ],
)
def test_what_is_no_token_that_holds(value: str) -> None:
    made, _ = gate(token(a_secret(), "infer"))
    assert refusal(made, value) == (401, "TOKEN-UNKNOWN")
    assert not made.lets(raw(value.encode(), Line()))


def test_no_token_is_told_apart_from_a_wrong_one() -> None:
    made, _ = gate()
    assert refusal(made, "") == (401, "TOKEN-MISSING")


def test_a_token_ends_when_it_expires_on_an_open_connection_too() -> None:
    made, clock = gate(token(a_secret(), "infer", days=1))
    asked = raw(f"Bearer {a_secret()}".encode(), Line())
    assert made.lets(asked) and made.lets(asked)
    clock.advance(timedelta(days=1))
    assert not made.lets(asked)
    assert refusal(made, f"Bearer {a_secret()}") == (401, "TOKEN-UNKNOWN")


def test_a_token_that_is_revoked_ends_on_an_open_connection_too() -> None:
    made, _ = gate(token(a_secret(), "infer"))
    asked = raw(f"Bearer {a_secret()}".encode(), Line())
    assert made.lets(asked)
    made.follow(Admitted(required=True))
    assert not made.lets(asked)


def test_what_is_remembered_of_a_connection_is_for_the_same_header_alone() -> None:
    made, _ = gate(token(a_secret(), "infer"))
    line = Line()
    assert made.lets(raw(f"Bearer {a_secret()}".encode(), line))
    assert not made.lets(raw(f"Bearer {a_secret(8)}".encode(), line))
    assert not made.lets(Raw(b"POST", b"/", [], b"", True, True, line))  # type: ignore[arg-type]


def test_a_token_for_labels_goes_no_quick_way_to_answers() -> None:
    made, _ = gate(token(a_secret(), "feedback"))
    assert not made.lets(raw(f"Bearer {a_secret()}".encode(), Line()))


def test_a_token_of_one_model_opens_no_other() -> None:
    made, _ = gate(token(a_secret(), "infer", models=("fare",)))
    assert refusal(made, f"Bearer {a_secret()}") == (403, "TOKEN-MODEL")
    assert refusal(made, f"Bearer {a_secret()}", model="delay") == (403, "TOKEN-MODEL")
    made.check(f"Bearer {a_secret()}".encode(), "infer", "fare")
    assert not made.lets(raw(f"Bearer {a_secret()}".encode(), Line()))


def test_two_headers_are_none() -> None:
    headers = [(b"authorization", b"Bearer a"), (b"AUTHORIZATION", b"Bearer b")]
    made, _ = gate(token(a_secret(), "infer"))
    assert refusal(made, bearer(headers).decode()) == (401, "TOKEN-UNKNOWN")


def test_whether_it_lives_and_is_ready_is_all_that_needs_no_token() -> None:
    front = Front.__new__(Front)
    front._neighbours = None
    paths = front._paths()
    assert {path for _, _, path, _, scope in paths if scope is None} == {
        V2 + "/ready",
        "/v2/health/live",
        "/v2/health/ready",
    }
    assert {path for _, _, path, _, scope in paths if scope == "admin"} == {LOAD, UNLOAD}


def test_where_none_was_ever_made_nobody_is_asked() -> None:
    made, _ = gate()
    made.follow(Admitted(required=False))
    made.check(b"", "admin")
    assert made.stranger([]) is None


def test_whoever_sends_much_needs_some_token() -> None:
    made, _ = gate(token(a_secret(), "feedback"))
    assert made.stranger([(b"authorization", f"Bearer {a_secret()}".encode())]) is None
    assert made.stranger([]) is not None


def several(*tokens: Token) -> Gate:
    made = Gate("delay", VirtualClock(NOW), beside=("delay", "demand"))
    made.follow(Admitted(required=True, tokens=tokens))
    return made


def test_among_several_models_a_token_is_for_those_that_it_names() -> None:
    secret = a_secret()
    made, value = several(token(secret, "infer", models=("demand",))), f"Bearer {secret}"
    made.check(value.encode(), "infer", "demand")
    made.check(value.encode(), "infer")  # of none: it is for one of this service's
    assert made.stranger([(b"authorization", value.encode())]) is None
    for asked in ("delay", "other"):
        assert refusal(made, value, model=asked) == (403, "TOKEN-MODEL")
    with pytest.raises(Unauthorised):
        made.check(value.encode(), "infer", *made.models)
    assert not made.lets(raw(value.encode(), Line())), "the quick way is for the worker's own model"


def test_among_several_models_a_token_for_none_of_them_is_a_strangers() -> None:
    secret = a_secret()
    made, value = several(token(secret, "infer", models=("other",))), f"Bearer {secret}"
    assert refusal(made, value) == (403, "TOKEN-MODEL")
    assert made.stranger([(b"authorization", value.encode())]) is not None
