"""docs/pipelines.md: its pipeline fans out as the page says, and its limits and defaults are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

from noria.declare import resolve
from noria.graph.load import forget, load_pipeline
from noria.records.needs import Retry

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "pipelines.md").read_text()


def test_the_pipeline_is_one_and_fans_out(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "pipeline.py").write_text(code)
    try:
        resolved = resolve(load_pipeline(tmp_path, "pipeline:sales"))
    finally:
        forget(tmp_path)
    steps = {step.name: step for step in resolved.order}
    assert (resolved.fan_out.levels["score"], resolved.fan_out.levels["by_shop"]) == (2, 1)
    assert [cut.name for cut in resolved.fan_out.cuts] == ["rows by shop"]
    running = steps["weights"].running
    assert (running.resources.bytes, running.timeout, running.retry) == (
        2 << 30,
        1800.0,
        Retry(code=1, lost=3, wait=2.0),
    )


def test_every_kind_of_fault_has_its_line() -> None:
    retry = Retry()
    for fault in ("code", "lost", "memory", "timeout"):
        (line,) = re.findall(rf"^\| `{fault}` \|.*\| (\d+) \|$", PAGE, re.MULTILINE)
        assert int(line) == getattr(retry, fault), fault
    for seconds in (retry.wait, retry.longest):
        assert f"({seconds:g})" in PAGE
