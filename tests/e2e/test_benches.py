"""A bench whose limit is broken says so, and fails."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def bench(name: str, *words: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A bench as a module, with the words of its command line."""
    spec = importlib.util.spec_from_file_location(f"bench_{name}", ROOT / "bench" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(sys, "argv", [name, *words])
    return module


@pytest.mark.parametrize(("seconds", "code"), [(0.01, 0), (0.5, 1)])
def test_a_slow_start_fails(
    seconds: float, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    startup = bench("startup", "--repeat", "1", monkeypatch=monkeypatch)
    monkeypatch.setattr(startup, "took", lambda command: seconds)
    assert startup.main() == code
    said = capsys.readouterr().err
    assert ("noria_help: 500.0 ms, limit 150.0 ms" in said) is bool(code)


@pytest.mark.parametrize(("a_step", "code"), [(0.0005, 0), (0.1, 1)])
def test_dear_steps_fail(
    a_step: float, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = bench("noop_steps", monkeypatch=monkeypatch)
    times = {(kind, size): [(1 + a_step * size, 1.0)] for kind in steps.LIMITS for size in (20, 40)}
    monkeypatch.setattr(steps, "measure", lambda folder, repeat: times)
    assert steps.main() == code
    said = capsys.readouterr().err
    assert ("cached: 100.0 ms a step, limit 1.0 ms" in said) is bool(code)
