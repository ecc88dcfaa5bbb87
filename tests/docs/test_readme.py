"""What the README shows works as it stands there: its pipeline, its policy, its links and its commands."""

from __future__ import annotations

import re
import shlex
import types
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from noria.app.config import parse_policy
from noria.cli import start
from noria.cli.commands import COMMANDS, Command, load
from noria.declare import resolve

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    "README.md",
    "docs/cli.md",
    "docs/data.md",
    *(f"examples/{name}/README.md" for name in ("bikeshare", "flights", "sklearn")),
]
PLACES = ("docs/", "examples/", "src/", "tests/", "bench/")  # a word in backticks that begins so is a path
LINE = re.compile(r"^(?:    )?(noria [a-z].*?)(?:\s+#.*)?$")
UNTIL = re.compile(r" \| | > |\)|$")  # where a shell line goes on with another command


def page(name: str) -> str:
    return (ROOT / name).read_text()


def fenced(text: str, language: str) -> str:
    blocks = re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1
    return str(blocks[0])


def commands(text: str) -> Iterator[str]:
    """Every command line in code: between backticks, indented, or in a block; `a && b` is two."""
    spans = re.findall(r"`(noria [a-z][^`\n]*)`", text)
    lines = [found[1] for line in text.splitlines() if (found := LINE.match(line))]
    for line in (*spans, *lines):
        for part in line.split(" && "):
            yield UNTIL.split(part)[0]


def test_its_pipeline_is_complete_and_its_policy_fits(tmp_path: Path) -> None:
    module = types.ModuleType("pipeline")
    module.__file__ = str(tmp_path / "pipeline.py")
    source = fenced(page("README.md"), "python")
    exec(compile(source, module.__file__, "exec"), module.__dict__)
    pipeline = resolve(module.delay)
    assert [step.name for step in pipeline.order] == ["flights", "features", "split", "classifier"]
    assert pipeline.predict and pipeline.predict.name == "late"
    assert pipeline.loss and pipeline.loss.name == "brier"

    (policy,) = parse_policy(fenced(page("README.md"), "toml"), file="README.md").models
    assert policy.name == "delay"
    assert policy.pipeline == "pipeline:delay"
    assert {gate.metric for gate in policy.gates} == {pipeline.loss.name}


def test_its_figures_and_links_and_paths_are_there() -> None:
    text = page("README.md")
    linked = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    named = [
        word for word in re.findall(r"`([\w./-]+)`", text) if word.startswith(PLACES) or word.endswith(".md")
    ]
    assert named
    assert [path for path in (*linked, *named) if not (ROOT / path).exists()] == []


def test_a_page_with_a_command_that_is_not_there_would_be_seen() -> None:
    text = "Do `noria fly` or\n\n    noria run && noria swim  # both\n"
    assert list(commands(text)) == ["noria fly", "noria run", "noria swim"]


@pytest.mark.parametrize("name", PAGES)
def test_every_command_that_is_named_exists(name: str) -> None:
    named = {line.split()[1] for line in commands(page(name))}
    assert named
    assert named <= set(COMMANDS)


@pytest.mark.parametrize("name", [name for name in PAGES if name != "docs/cli.md"])
def test_every_command_line_is_understood(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(start, "load", understood_only)
    for line in commands(page(name)):
        _, command, *words = shlex.split(line)
        if words:  # alone, it is a name in a sentence
            assert start.main([command, *words]) == 0, (line, capsys.readouterr().err)


def understood_only(name: str) -> Command:
    """A command whose words are parsed, and which then does nothing."""
    return cast(Command, types.SimpleNamespace(add=load(name).add, run=lambda args: 0))


def test_the_reference_has_a_section_for_each_command() -> None:
    assert re.findall(r"^### noria (\w+)$", page("docs/cli.md"), re.MULTILINE) == list(COMMANDS)
