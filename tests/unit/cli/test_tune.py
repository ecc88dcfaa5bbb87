"""What `noria tune` says of a search."""

from __future__ import annotations

from typing import Literal

from noria.cli.tune import _lines
from noria.records.tuning import Trial, Tuned


def trial(number: int, state: Literal["complete", "pruned", "failed"], value: float | None = None) -> Trial:
    return Trial(
        number=number, run=f"m/{number + 1}", state=state, value=value, parameters={"model.rate": 0.1}
    )


def test_the_result_says_how_many_were_given_up_early() -> None:
    trials = (*(trial(n, "complete", n / 20) for n in range(11)), trial(11, "pruned"), trial(12, "pruned"))
    found = Tuned(
        model="m", study="a", metric="auc", direction="maximize", trials=trials, best=trials[10], notes=()
    )
    lines = _lines(found, {})
    assert "... and 3 more trials" in lines
    assert "13 trials: 11 complete, 2 pruned" in lines
