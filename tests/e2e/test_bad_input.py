"""What goes wrong at a user's desk gets an error that says what, where and what to do; nothing is lost."""

from __future__ import annotations

import shutil

import pytest

from e2e.project import PIPELINE, POLICY, Project

FIRST = "2024-02-10T00:00:00Z"


def with_model(body: str) -> str:
    """The demand pipeline with another body of its `model` step."""
    start = PIPELINE.index("    recent = train.filter")
    end = PIPELINE.index("@demand.predict")
    return PIPELINE[:start] + body + "\n\n\n" + PIPELINE[end:]


def replaced(old: str, new: str) -> str:
    assert old in PIPELINE
    return PIPELINE.replace(old, new)


PIPELINES = {
    "empty data": (replaced("DAYS, A_DAY = 120, 20", "DAYS, A_DAY = 0, 20"), 1, "DATA-EMPTY", "days"),
    "duplicate key": (replaced('f"row-{i}"', '"row"'), 1, "KEY", "row"),
    "no such column": (replaced('label="sold"', 'label="sould"'), 2, "DATA-COLUMNS", "sould"),
    "naive times": (
        replaced(
            'schema_overrides={"asked": pl.Datetime("us", "UTC"), "counted": pl.Datetime("us", "UTC")},',
            'schema_overrides={"counted": pl.Datetime("us", "UTC")},',
        ).replace("datetime(2024, 1, 1, tzinfo=UTC)", "datetime(2024, 1, 1)"),
        None,
        "error[",
        "asked",
    ),
    "a transform that looks at other rows": (
        replaced('warm=pl.col("warm") * scale', 'warm=pl.col("warm") - pl.col("warm").mean()'),
        1,
        "TRANSFORM",
        "warm",
    ),
    "a transform that drops rows": (
        replaced("return days.select(", 'return days.filter(pl.col("warm") > 0).select('),
        1,
        "TRANSFORM-ROWS",
        "features",
    ),
    "what cannot be stored": (with_model("    return lambda rows: rows"), 2, "function", "codec"),
    "a step that raises": (
        with_model('    raise RuntimeError("no luck today")'),
        1,
        "no luck today",
        "pipeline.py",
    ),
    "a step that exits": (with_model("    import sys; sys.exit(3)"), 1, "model", "exit"),
    "a step that dies by a signal": (
        with_model(
            "    import os, signal; print('last words', flush=True); os.kill(os.getpid(), signal.SIGSEGV)"
        ),
        1,
        "SIGSEGV",
        "last words",
    ),
    "a predict with too few answers": (
        replaced("to_numpy() @ model[1:]", 'to_numpy()["id" not in features.columns :] @ model[1:]'),
        1,
        "PREDICT-ANSWER",
        "sold",
    ),
    "an unknown input": (replaced("def model(train:", "def model(trian:"), 2, "trian", "pipeline.py:"),
    "a syntax error": (PIPELINE + "\ndef (:\n", 2, "PIPELINE-IMPORT", "pipeline.py"),
    "an exit while it is imported": (
        "import sys\nsys.exit('no password for the warehouse')\n" + PIPELINE,
        2,
        "PIPELINE-IMPORT",
        "no password for the warehouse",
    ),
    "a missing package": ("import not_there\n" + PIPELINE, 2, "not_there", "pipeline.py"),
    "a loss that gives NaN": (
        replaced("return np.abs(label - answer)", "return label * np.nan"),
        1,
        "LOSS",
        "NaN",
    ),
}


@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.soak) for part in (1, 2))])
def test_a_pipeline_with_a_fault_after_another_and_then_mended(project: Project, part: int) -> None:
    """Whatever the faults leave behind stands in no way: neither in that of the next fault's words, nor of a run."""
    for case in list(PIPELINES)[part::3]:
        fail(project, case)
    project.write("pipeline.py", PIPELINE)
    project.noria("run", "--as-of", FIRST)


def fail(project: Project, case: str) -> None:
    pipeline, exit, *texts = PIPELINES[case]
    project.write("pipeline.py", pipeline)
    done = project.noria("run", "--as-of", FIRST, exit=exit)
    assert done.returncode in (1, 2)
    for text in ("error[", "next:", *texts):
        assert text in done.stderr, f"{case}: {done.stderr}"
    assert "Traceback" not in done.stderr.split("next:")[0] or case.startswith("a step that raises")


def test_not_a_git_repository(project: Project) -> None:
    shutil.rmtree(project.folder / ".git")
    done = project.noria("run", exit=2)
    assert "git init" in done.stderr


def test_a_repository_without_a_commit(project: Project) -> None:
    shutil.rmtree(project.folder / ".git")
    project.git("init", "--quiet")
    done = project.noria("run", exit=2)
    assert "git" in done.stderr and "commit" in done.stderr


def test_no_project_here(project: Project) -> None:
    (project.folder / "noria.toml").unlink()
    done = project.noria("run", exit=2)
    assert "noria init" in done.stderr


def test_three_faults_of_the_policy_are_reported_at_once(project: Project) -> None:
    policy = POLICY.replace("margin = 0.5", "margin = -1").replace('every = "60d"', 'every = "sometimes"')
    project.write("noria.toml", policy.replace("tolerance = 1.0", "tolerence = 1.0"))
    done = project.noria("run", exit=2)
    for text in ("margin", "every", "tolerence", "tolerance", "line"):
        assert text in done.stderr


@pytest.mark.parametrize(
    ("words", "exit", "text"),
    [
        (["show", "demand/9"], 3, "RUN-UNKNOWN"),
        (["show", "demand:9"], 3, "VERSION-UNKNOWN"),
        (["show", "???"], 2, "error["),
        (["promote", "demand:9"], 3, "VERSION-UNKNOWN"),
        (["serve", "demand@blue"], 3, "VERSION-UNKNOWN"),
        (["serve", "demand", "--tls-cert", "c.pem"], 2, "--tls-key belong together"),
        (["token", "create", "web"], 2, "a new token needs --scope"),
        (["token", "create", "Web", "--scope", "infer"], 2, "TOKEN-BAD"),
        (["token", "create", "web", "--scope", "all"], 2, "TOKEN-BAD"),
        (["token", "create", "web", "--scope", "infer", "--models", "other"], 3, "MODEL-UNKNOWN"),
        (["token", "create", "web", "--scope", "infer", "--expires", "never"], 2, "is no span"),
        (["token", "create", "web", "--scope", "infer", "--expires", "999999w"], 2, "TOKEN-BAD"),
        (["token", "revoke", "web"], 3, "TOKEN-NONE"),
        (["token", "list", "--scope", "infer"], 2, "--scope is for create"),
        (["token", "web"], 2, "not one of list, create, revoke"),
        (["run", "other"], 3, "MODEL-UNKNOWN"),
        (["diff", "demand/1", "demand/2"], 3, "RUN-UNKNOWN"),
        (["rnu"], 2, "run"),
    ],
)
def test_what_is_not_there(project: Project, words: list[str], exit: int, text: str) -> None:
    done = project.noria(*words, exit=exit)
    assert text in done.stderr
