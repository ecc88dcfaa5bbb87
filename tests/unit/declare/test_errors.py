"""Each thing that can be wrong with a declaration: the error names function, file and line, and what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from noria.declare import Pipeline, resolve
from noria.errors import ConfigError, render
from noria.graph.load import forget, load_pipeline

HEAD = """
import noria
p = noria.Pipeline("p")
"""
ROWS = """
@p.data(key="id", label="y")
def rows(): ...
@p.step
def model(rows): ...
"""
CASES = {
    # name: (code, text in the declaration, word of the error, part of the sentence, part of the advice)
    "no input": (
        "@p.step\ndef here(nothing): ...",
        "PIPELINE-UNKNOWN-INPUT",
        "reads 'nothing'",
        "`*,` before it",
    ),
    "partition alone": (
        "@p.step\ndef a(): ...\n@p.step\ndef here(a: noria.Partition('shop')): ...",
        "PIPELINE-ROLE",
        "takes 'a' by noria.Partition without the table's type",
        "Annotated[pl.DataFrame, noria.Partition",
    ),
    "partition in each": (
        "@p.step\ndef a(): ...\n@p.step\ndef here(a: noria.Each[noria.Partition('shop')]): ...",
        "PIPELINE-ROLE",
        "takes 'a' by noria.Partition without the table's type",
        "Annotated[pl.DataFrame, noria.Partition",
    ),
    "row of nothing": (
        ROWS + "def features(rows): ...\n@p.row(features)\ndef here(rows): ...",
        "PIPELINE-ROLE",
        "stands beside features, which is no step of this pipeline",
        "under @transform",
    ),
    "row of a step": (
        ROWS + "@p.row(model)\ndef here(rows): ...",
        "PIPELINE-ROLE",
        "stands beside model, which is a step",
        "under @transform",
    ),
    "row of other inputs": (
        ROWS + "@p.transform\ndef features(rows): ...\n@p.row(features)\ndef here(row): ...",
        "PIPELINE-ROLE",
        "reads 'row', and features reads 'rows'",
        "def here(rows, ...)",
    ),
    "row with a hyperparameter more": (
        ROWS + "@p.transform\ndef features(rows): ...\n@p.row(features)\ndef here(rows, *, far=1): ...",
        "PIPELINE-ROLE",
        "has a hyperparameter 'far' that features has not",
        "give features the hyperparameter",
    ),
    "row with another default": (
        ROWS
        + "@p.transform\ndef features(rows, *, far=2): ...\n@p.row(features)\ndef here(rows, *, far=1): ...",
        "PIPELINE-ROLE",
        "has far=1, and features has 2",
        "the same default",
    ),
    "second row": (
        ROWS
        + "@p.transform\ndef features(rows): ...\n@p.row(features)\ndef one(rows): ...\n"
        + "@p.row(features)\ndef here(rows): ...",
        "PIPELINE-DUPLICATE",
        "the row function of features",
        "rename one",
    ),
    "row by name": (
        ROWS + "@p.row('features')\ndef here(rows): ...",
        "PIPELINE-OPTION",
        "option 'transform' of here",
        "name the function itself",
    ),
    "nearly": (ROWS + "@p.step\ndef here(modle): ...", "PIPELINE-UNKNOWN-INPUT", "'modle'", "one of: model"),
    "cycle": (
        "@p.step\ndef here(there): ...\n@p.step\ndef there(here): ...",
        "PIPELINE-CYCLE",
        "here -> there -> here",
        "something that comes earlier",
    ),
    "itself": ("@p.step\ndef here(here): ...", "PIPELINE-CYCLE", "here -> here", "earlier"),
    "twice": (
        "@p.step\ndef a(): ...\n@p.step(outputs=['a'])\ndef here(): ...",
        "PIPELINE-DUPLICATE",
        "made twice",
        "rename",
    ),
    "varargs": ("@p.step\ndef here(*everything): ...", "PIPELINE-PARAMETER", "any number", "name each input"),
    "keywords": (
        "@p.step\ndef here(**everything): ...",
        "PIPELINE-PARAMETER",
        "any number",
        "name each input",
    ),
    "no default": ("@p.step\ndef here(*, rate): ...", "PIPELINE-PARAMETER", "without a default", "rate=..."),
    "positional default": (
        "@p.step\ndef here(rate=0.1): ...",
        "PIPELINE-PARAMETER",
        "has a default",
        "`*,` before rate",
    ),
    "odd default": (
        "@p.step\ndef here(*, rate=object()): ...",
        "PIPELINE-PARAMETER",
        "type object",
        "use a number",
    ),
    "infinite default": (
        "@p.step\ndef here(*, x=float('inf')): ...",
        "PIPELINE-PARAMETER",
        "the default inf",
        "finite",
    ),
    "nested default": (
        "@p.step\ndef here(*, x={'a': {1: 2}}): ...",
        "PIPELINE-PARAMETER",
        "type dict",
        "use a number",
    ),
    "one string": (
        "@p.step(outputs='train')\ndef here(): ...",
        "PIPELINE-OPTION",
        "is one string",
        "outputs=(",
    ),
    "output twice": (
        "@p.step(outputs=('a', 'a'))\ndef here(): ...",
        "PIPELINE-OPTION",
        "twice",
        "its own name",
    ),
    "odd output": (
        "@p.step(outputs=('a b',))\ndef here(): ...",
        "PIPELINE-OPTION",
        "'a b'",
        "names as Python",
    ),
    "unknown": (
        "@p.data(unknown='drop')\ndef here(): ...",
        "PIPELINE-OPTION",
        "is 'drop'",
        "accept or refuse",
    ),
    "range": (
        "@p.loss(on='x', range=(1, 0))\ndef here(label, answer): ...",
        "PIPELINE-OPTION",
        "(1, 0)",
        "range=(0, 5)",
    ),
    "endless range": (
        "@p.loss(on='x', range=(0, float('inf')))\ndef here(label, answer): ...",
        "PIPELINE-OPTION",
        "inf",
        "both finite",
    ),
    "annotation": (
        ROWS + "@p.predict\ndef here(model, rows: 'pl.DataFrame'): ...",
        "PIPELINE-ANNOTATION",
        "'pl' is not defined",
        "outside TYPE_CHECKING",
    ),
    "no annotation": (
        ROWS + "@p.predict\ndef here(model, rows): ...",
        "PIPELINE-NO-ANNOTATION",
        "'rows'",
        "rows: pl.DataFrame",
    ),
    "no annotation above": (
        ROWS + "@p.transform\ndef here(rows): ...\n@p.predict\ndef late(model, here: list): ...",
        "PIPELINE-NO-ANNOTATION",
        "'rows'",
        "rows: pl.DataFrame",
    ),
    "two predicts": (
        ROWS + "@p.predict\ndef one(rows: list): ...\n@p.predict\ndef here(rows: list): ...",
        "PIPELINE-ROLE",
        "second one",
        "remove one",
    ),
    "data reads": (
        "@p.step\ndef a(): ...\n@p.data\ndef here(a): ...",
        "PIPELINE-ROLE",
        "outside world",
        "make it a @step",
    ),
    "reads predict": (
        ROWS + "@p.predict\ndef late(rows: list): ...\n@p.metrics\ndef here(late): ...",
        "PIPELINE-ROLE",
        "computed on each request",
        "late(rows)",
    ),
    "two labels": (
        ROWS + "@p.data(label='z')\ndef here(): ...",
        "PIPELINE-ROLE",
        "has a label",
        "one data step",
    ),
    "no rows": (
        ROWS + "@p.transform\ndef here(model): ...",
        "PIPELINE-ROLE",
        "no rows of the request",
        "make it a @step",
    ),
    "predict without rows": (
        ROWS + "@p.predict\ndef here(model): ...",
        "PIPELINE-ROLE",
        "no rows",
        "read a transform",
    ),
    "loss reads": (
        ROWS + "@p.predict\ndef a(rows: list): ...\n@p.loss(on='model', range=(0, 1))\ndef here(label): ...",
        "PIPELINE-ROLE",
        "`label` and `answer`",
        "def f(label, answer)",
    ),
    "loss alone": (
        ROWS + "@p.loss(on='model', range=(0, 1))\ndef here(label, answer): ...",
        "PIPELINE-ROLE",
        "no predict to judge",
        "add a @predict",
    ),
    "loss on nothing": (
        ROWS
        + "@p.predict\ndef a(rows: list): ...\n@p.loss(on='hold', range=(0, 1))\ndef here(label, answer): ...",
        "PIPELINE-ROLE",
        "'hold', which no step makes",
        "one of: rows, model",
    ),
    "loss without label": (
        "@p.data(key='id')\ndef rows(): ...\n@p.predict\ndef a(rows: list): ...\n"
        "@p.loss(on='rows', range=(0, 1))\ndef here(label, answer): ...",
        "PIPELINE-ROLE",
        "no label",
        "@data(label=...)",
    ),
    "loss without key": (
        "@p.data(label='y')\ndef rows(): ...\n@p.predict\ndef a(rows: list): ...\n"
        "@p.loss(on='rows', range=(0, 1))\ndef here(label, answer): ...",
        "PIPELINE-ROLE",
        "no key",
        "@data(key=...)",
    ),
}


@pytest.fixture(autouse=True)
def forgotten(tmp_path: Path) -> Iterator[None]:
    """Each test's pipeline.py is another module."""
    yield
    forget(tmp_path)


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_declaration_is_told_with_its_place(case: str, tmp_path: Path) -> None:
    body, code, said, advice = CASES[case]
    file = tmp_path / "pipeline.py"
    file.write_text(HEAD + body)
    error = failure(lambda: resolve(load_pipeline(tmp_path, "pipeline:p")))
    assert error.code == code
    assert said in str(error)
    assert advice in error.advice()
    line = next(n for n, text in enumerate(file.read_text().splitlines(), 1) if re.match(r"def here\b", text))
    assert re.search(rf"here \({re.escape(str(file))}:({line}|{line - 1})\)", str(error)), str(error)
    assert render(error).startswith(f"error[{code}]: ")


def failure(act: Callable[[], object]) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        act()
    return caught.value


def test_an_empty_pipeline_is_told() -> None:
    error = failure(lambda: resolve(Pipeline("wheel")))
    assert (error.code, "@wheel.data" in error.advice()) == ("PIPELINE-EMPTY", True)


@pytest.mark.parametrize(
    ("entry", "text", "said"),
    [
        ("pipeline:p", "x = 1", "has no pipeline named 'p'; it has: none"),
        ("pipeline:p", "import noria\nq = noria.Pipeline('q')", "it has: q"),
        ("pipeline:p", "p = 3", "is a int, not a noria.Pipeline"),
        ("pipeline:p", "import noria\ndef broken():\n    1 / 0\nbroken()", "ZeroDivisionError"),
        ("pipeline:p", "def (", "SyntaxError"),
        ("nowhere:p", "", "No module named 'nowhere'"),
    ],
)
def test_a_file_that_gives_no_pipeline_is_told(entry: str, text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "pipeline.py").write_text(dedent(text))
    error = failure(lambda: load_pipeline(tmp_path, entry))
    assert error.code == "PIPELINE-IMPORT"
    assert said in str(error)


def test_parts_and_shared_steps() -> None:
    part, a, b = Pipeline("part"), Pipeline("a"), Pipeline("b")

    @part.step
    def first():
        return 1

    @a.step
    @b.step
    def second(first):
        return first + 1

    a.include(part)
    assert [step.name for step in resolve(a).order] == ["first", "second"]
    assert second(first()) == 2
    assert failure(lambda: a.include(part)).code == "PIPELINE-DUPLICATE"
    assert failure(lambda: resolve(b)).code == "PIPELINE-UNKNOWN-INPUT"
