"""A judgement of today's gates begins with whether they fit today's pipeline."""

from contextlib import ExitStack
from pathlib import Path

import pytest
from msgspec.structs import replace

from noria.app.fit import PolicyMismatch
from noria.app.judging.again import _expecting
from noria.records.gates import Robustness
from unit.app.stored import history, opened

PIPELINE = """
import noria

delay = noria.Pipeline("delay")

@delay.data(key="id")
def flights():
    return None
"""


def test_gates_that_do_not_fit_the_pipeline_judge_nothing(tmp_path: Path) -> None:
    history(tmp_path)
    (tmp_path / "without_loss.py").write_text(PIPELINE)
    with opened(tmp_path) as app, ExitStack() as stack:
        policy = replace(
            app.model("delay"), pipeline="without_loss:delay", gates=(Robustness(at_most=0.1, noise=0.1),)
        )
        with pytest.raises(PolicyMismatch, match=r"gates\.robustness"):
            _expecting(app, policy, stack)
