"""Each bench runs, small; one whose limit is broken says so, and fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
NORIA = "Noria"
# A bench, its words for a small run, and some of the figures that it must come with.
SMALL = [
    (
        "noop_steps",
        ["--repeat", "1", "--sizes", "2", "4"],
        ["2 steps, first run", "one more step, all reused"],
    ),
    ("fan_out", ["--repeat", "1", "--items", "3"], ["3 items, first run", "3 items, all reused, CPU"]),
    ("log_points", ["--repeat", "1", "--points", "2000"], ["points logged, until they are kept"]),
    ("register_model", ["--repeat", "1"], ["from the trained model to the registered version"]),
    ("table_handover", ["--repeat", "1", "--megabytes", "1"], ["array of 1 MB, times of by hand"]),
    (
        "many_runs",
        ["--repeat", "1", "--runs", "100"],
        ["`noria runs`, sqlite", "`noria diff RUN RUN`, postgresql"],
    ),
    ("startup", ["--repeat", "1"], ["noria --help"]),
    (
        "batch_predict",
        ["--repeat", "1", "--rows", "3000", "--models", "lightgbm"],
        ["lightgbm, rows", "lightgbm, memory"],
    ),
    (
        "drift",
        ["--repeat", "1", "--rows", "20000", "--checks", "2", "--runs", "2"],
        ["rows of 25 columns a CPU second", "checks until a shift of 0.3 sd is seen"],
    ),
    ("fast_models", ["--repeat", "1"], ["LightGBM, one row", "forest, 256 rows"]),
]


LONG = {"noop_steps", "register_model", "batch_predict", "drift", "fast_models"}  # however small
CASES = [
    pytest.param(*case, id=case[0], marks=[pytest.mark.soak] if case[0] in LONG else []) for case in SMALL
]


@pytest.mark.parametrize(("name", "words", "figures"), CASES)
def test_a_bench_measures_what_it_says(
    name: str, words: list[str], figures: list[str], tmp_path: Path
) -> None:
    """How long anything took is no matter here: code 1 is a limit that was broken."""
    kept = tmp_path / "result.json"
    command = [sys.executable, ROOT / "bench" / f"{name}.py", *words, "--json", kept]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    result = json.loads(done.stdout)
    assert result == json.loads(kept.read_text())
    found = {figure["name"]: figure for figure in result["figures"]}
    assert all(found[figure]["who"][NORIA]["rounds"] == 1 for figure in figures), sorted(found)
    broken = [figure for figure in found.values() if over(figure)]
    assert (done.returncode == 1) is bool(broken)
    assert all(f"{figure['name']}: " in done.stderr for figure in broken)


def over(figure: dict[str, Any]) -> bool:
    if figure["limit"] is None:
        return False
    median = figure["who"][NORIA]["median"]
    return bool(median < figure["limit"] if figure["more_is_better"] else median > figure["limit"])


@pytest.fixture
def benches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "bench")


def module(name: str) -> ModuleType:
    import importlib

    return importlib.import_module(name)


@pytest.mark.parametrize(("took", "code"), [(10.0, 0), (500.0, 1)])
def test_a_slow_start_fails(
    took: float,
    code: int,
    benches: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    startup = module("startup")
    monkeypatch.setattr(startup, "milliseconds", lambda name: took)
    monkeypatch.setattr(sys, "argv", ["startup", "--repeat", "1"])
    assert startup.main() == code
    assert ("noria --help: 500 ms, limit 150 ms" in capsys.readouterr().err) is bool(code)


def test_a_ratio_is_taken_within_a_round(benches: None) -> None:
    """A busy moment that slows both down changes no ratio."""
    figure = module("measuring").Figure("a step", "s")
    for ours, theirs in [(1.0, 4.0), (10.0, 40.0), (2.0, 8.0)]:
        figure.add(NORIA, ours)
        figure.add("other", theirs)
    assert figure.times("other") == 4.0
    figure.more = True
    assert figure.times("other") == 0.25


def test_the_page_shows_what_was_measured(
    benches: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    everything, measuring = module("everything"), module("measuring")
    figure = measuring.Figure("20 steps", "s", limit=1.2)
    for ours, theirs in [(0.5, 5.0), (0.6, 6.0), (0.7, 7.0)]:
        figure.add(NORIA, ours)
        figure.add("Kedro, workers", theirs)
    machine = {
        "cpu": "a",
        "cores": 2,
        "memory_gb": 8,
        "system": "Linux",
        "python": "3",
        "load": 0.1,
        "at": "now",
    }
    versions = {NORIA: "0.1", "Kedro": "1.7"}
    result = {"machine": machine, "versions": versions, "notes": [], "figures": [figure.as_json()]}
    (tmp_path / "fan_out.json").write_text(json.dumps(result))
    monkeypatch.setattr(everything, "RESULTS", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(f"before\n{everything.BEGIN}\nof yesterday\n{everything.END}\nafter\n")
    for _ in range(2):
        everything.write(page, ["fan_out"])
    text = page.read_text()
    assert "| | must hold | Noria 0.1 | Kedro 1.7, workers |" in text
    assert "| 20 steps | ≤ 1.2 s | **0.6 s** | 6 s (10 ×) |" in text
    assert "of yesterday" not in text
    assert (text.startswith("before\n"), text.endswith("\nafter\n"), text.count("20 steps |")) == (
        True,
        True,
        1,
    )


def test_the_peers_projects_are_laid_out(benches: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """They run where the peers are installed; here their Python is at least Python."""
    monkeypatch.setattr(module("peers"), "python_of", lambda peer: Path("/nowhere/bin/python"))
    found = module("contenders").contenders(True)
    assert {one.name.partition(",")[0] for one in found} == {NORIA, "Kedro", "Metaflow", "DVC", "Prefect"}
    for one in found:
        for files in (one.chain(3), one.fan(3)):
            for name, text in files.items():
                if name.endswith(".py"):
                    compile(text, f"{one.name}/{name}", "exec")


def test_a_peer_that_cannot_be_installed_is_said_and_left_out(
    benches: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    peers = module("peers")
    monkeypatch.setenv("NORIA_BENCH_PEERS", str(tmp_path))
    monkeypatch.setitem(peers.PEERS, "Absent", ["--no-such-option"])
    assert peers.python_of("Absent") is None
    assert "Absent is left out: it cannot be installed" in capsys.readouterr().err
