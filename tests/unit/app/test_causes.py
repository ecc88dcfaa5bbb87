"""What a proof says of a difference that the record does not explain."""

from __future__ import annotations

from noria.app.proof.causes import _untold
from noria.pipeline.lint import Lint


def test_what_the_record_does_not_hold_is_a_suspect_and_not_the_cause() -> None:
    said = "os.environ.get: an environment variable is no part of the record"
    hint = Lint(
        rule="environment", severity="risks", step="model", where="pipeline.py:21", what=said, next=""
    )
    found = _untold("model", [hint])
    assert found.causes == ("unknown",)
    assert found.why.endswith(f"cannot be told from the record; look at pipeline.py:21 {said}")
    assert _untold("model", []).why.endswith("cannot be told from the record")
