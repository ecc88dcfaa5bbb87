"""From words to an exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import noria as package
from noria.cli.commands import COMMANDS
from noria.cli.reference import reference
from noria.cli.serve import ready_lines
from unit.cli.conftest import Noria

ROOT = Path(__file__).parents[3]


def test_alone_says_what_there_is(noria: Noria, flights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = noria()
    assert outside.code == 0
    assert all(f"noria {name}" in outside.out for name in COMMANDS)
    assert "`noria init flights`" in outside.out
    monkeypatch.chdir(flights)
    assert "`noria run` turns the wheel once" in noria().out


def test_version(noria: Noria) -> None:
    said = noria("--version")
    assert (said.code, said.out) == (0, f"noria {package.__version__}\n")


@pytest.mark.parametrize("module", ["noria.cli", "noria.cli.start", "noria.cli.commands"])
def test_ctrl_c_while_modules_are_imported_ends_it_without_a_traceback(module: str) -> None:
    interrupts = f"""
import os, signal, sys
class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupts())
from noria.__main__ import main
main()
"""
    ended = subprocess.run([sys.executable, "-c", interrupts], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "", "")


def test_of_several_models_one_is_to_be_named(noria: Noria, tmp_path: Path) -> None:
    (tmp_path / "noria.toml").write_text(
        '[model.delay]\npipeline = "pipeline:delay"\n[model.rain]\npipeline = "pipeline:rain"\n'
    )
    said = noria("lint")
    assert said.code == 2
    assert (
        "error[MODEL-UNNAMED]: this is about one model, and noria.toml has several: delay, rain" in said.err
    )
    assert "name one of them" in said.err


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_examples_of_its_own_command(noria: Noria, name: str) -> None:
    said = noria(name, "--help")
    assert said.code == 0
    examples = said.out.split("examples:\n")[1].splitlines()
    assert 2 <= len(examples) <= 8
    assert all(line.startswith(f"  noria {name}") for line in examples)


def test_the_reference_page_is_what_the_parsers_say() -> None:
    page = (ROOT / "docs" / "cli.md").read_text()
    assert page == reference(), "python -m noria.cli.reference > docs/cli.md"


@pytest.mark.parametrize(
    ("words", "what", "advice"),
    [
        (["rusn"], "noria has no command 'rusn'", "did you mean `noria run` or `noria runs`?"),
        (["xyzzy"], "noria has no command 'xyzzy'", "noria --help"),
        (["--traceback"], "a command is missing", "noria --help"),
        (["runs", "--lat", "3"], "no such option or argument: --lat", "noria runs --help"),
        (["runs", "--last", "0"], "argument --last: '0' is no count", "noria runs --help"),
        (["show"], "the following arguments are required: REF", "noria show --help"),
        (["run", "--set", "rate=1"], "'rate=1' is no setting: write step.name=value", "noria run --help"),
        (["run", "--set", "a.b=NaN"], "NaN is not a finite number", "noria run --help"),
        (["run", "--as-of", "soon"], "'soon' is no time: write 2025-03-01", "noria run --help"),
        (["run", "--as-of", "0001-01-01T00:00+14:00"], "is no time: write 2025-03-01", "noria run --help"),
        (
            ["predictions", "delay", "--since", "soon"],
            "or how long ago, as in 1h or 7d",
            "noria predictions --help",
        ),
        (["serve", "delay", "--port", "70000"], "'70000' is no port", "noria serve --help"),
        (["watch", "--interval", "0"], "'0' is no number of seconds above 0", "noria watch --help"),
        (
            ["feedback", "delay", "1"],
            "one of the arguments --id --key --file is required",
            "noria feedback --help",
        ),
        (["feedback", "delay", "--id", "x"], "a LABEL goes with --id or --key", "noria feedback --help"),
    ],
)
def test_wrong_words_say_what_to_write(noria: Noria, words: list[str], what: str, advice: str) -> None:
    said = noria(*words)
    assert (said.code, said.out) == (2, "")
    assert what in said.err
    assert f"  next:  {advice}" in said.err


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("step", 1),
        ("usage", 2),
        ("config", 2),
        ("missing", 3),
        ("conflict", 3),
        ("unavailable", 4),
        ("backend", 4),
        ("corrupt", 5),
        ("bug", 70),
    ],
)
def test_each_family_has_its_exit_code(
    noria: Noria, monkeypatch: pytest.MonkeyPatch, how: str, code: int
) -> None:
    monkeypatch.setitem(COMMANDS, "fail", ("unit.cli.failing", "fails", "train"))
    said = noria("fail", how)
    assert (said.code, said.out) == (code, "")
    assert said.err == "error[TOLD]: the lever is wrong\n  next:  mend the lever\n"


def test_an_expected_error_shows_its_traceback_when_asked(
    noria: Noria, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(COMMANDS, "fail", ("unit.cli.failing", "fails", "train"))
    assert "Traceback" in noria("--traceback", "fail", "missing").err
    monkeypatch.setenv("NORIA_TRACEBACK", "1")
    assert "Traceback" in noria("fail", "missing").err


def test_what_nobody_foresaw_is_our_bug(noria: Noria, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "fail", ("unit.cli.failing", "fails", "train"))
    said = noria("fail", "unforeseen")
    assert said.code == 70
    assert "Traceback" in said.err
    assert "error[BUG]: this is a bug in Noria: KeyError: 'lever'" in said.err
    assert package.__version__ in said.err


def test_an_interrupt_is_quiet(noria: Noria, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "fail", ("unit.cli.failing", "fails", "train"))
    said = noria("fail", "interrupt")
    assert (said.code, said.err) == (130, "interrupted\n")


@pytest.mark.parametrize("words", [[], ["--help"], ["runs", "--help"]])
def test_a_closed_pipe_is_quiet(words: list[str]) -> None:
    """`noria | head -0`: nobody reads, and nobody is told."""
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        [sys.executable, "-m", "noria", *words], stdout=writer, stderr=subprocess.PIPE, timeout=60
    )
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (0, b"")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_carries_out_what_it_is_told_where_nobody_listens(flights: Path, closed: str) -> None:
    words = [
        "sh",
        "-c",
        f'exec "$@" {closed}',
        "sh",
        sys.executable,
        "-m",
        "noria",
        "-C",
        str(flights),
        "runs",
    ]
    ended = subprocess.run(words, capture_output=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, b"")


@pytest.mark.parametrize("words", [["runs"], ["runs", "--json"]])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_behind_stdout_is_told(flights: Path, words: list[str], unbuffered: str) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "noria", "-C", str(flights), *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )
    assert ended.returncode == 4
    assert ended.stderr.startswith("error[OUTPUT-LOST]: the command was carried out, ")


def test_no_project_here(noria: Noria) -> None:
    said = noria("runs")
    assert said.code == 2
    assert "noria init" in said.err


def test_all_faults_of_a_policy_at_once(noria: Noria, tmp_path: Path) -> None:
    (tmp_path / "noria.toml").write_text('[model.delay]\npipelin = "a:b"\npromotion = "maybe"\n')
    said = noria("status")
    assert said.code == 2
    assert all(word in said.err for word in ("pipelin ", "promotion", "pipeline"))


@pytest.mark.parametrize("words", [["-C", "{}", "runs"], ["runs", "-C", "{}"], ["--project={}/deep", "runs"]])
def test_a_project_is_found_from_anywhere(noria: Noria, flights: Path, words: list[str]) -> None:
    (flights / "deep").mkdir(exist_ok=True)
    said = noria(*(word.format(flights) for word in words))
    assert said.code == 0
    assert "delay/1" in said.out


def test_help_imports_no_command() -> None:
    """What `noria --help` costs is what it imports; bench/ measures it."""
    program = "import sys; from noria.cli import main; main(['--help']); print(sorted(sys.modules))"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    heavy = (
        "msgspec",
        "rich",
        "sqlalchemy",
        "polars",
        "numpy",
        "noria.records",
        "noria.app",
        "noria.cli.run",
    )
    assert not [name for name in heavy if f"'{name}'" in said]


def test_a_service_says_where_it_answers_calls_over_grpc() -> None:
    service: Any = SimpleNamespace(
        models=(SimpleNamespace(model="delay"),), url="http://127.0.0.1:8117", pid=1, tokens=False, grpc=None
    )
    assert "gRPC" not in "".join(ready_lines(service, watched=()))
    service.grpc = "127.0.0.1:8118"
    assert any("gRPC" in line and "127.0.0.1:8118" in line for line in ready_lines(service, watched=()))
