"""The digest of a step's code: what changes it, what does not, and where it cannot tell."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from noria.declare import Pipeline, resolve
from noria.graph.load import forget, load_pipeline
from noria.pipeline.code import Code, Coded

HEAD = "import noria\nimport helpers\np = noria.Pipeline('p')\n"
HELPERS = """
    RATE = 0.5
    NAMES = ["a", "b"]

    def clean(x, by=2):
        '''Docstring.'''
        return deeper(x) / by

    def deeper(x):
        return x + RATE

    def unrelated(x):
        return x

    class Base:
        limit = 3

    class Scaler(Base):
        def apply(self, x):
            return x * NAMES.index("b")
"""
PIPELINE = (
    HEAD
    + """
SIZE = 3

@p.step
def numbers():
    return [1] * SIZE

@p.step
def mean(numbers, *, shift: float = 0.5):
    # a comment
    return helpers.clean(sum(numbers)) + shift

@p.step
def scaled(numbers):
    from helpers import Scaler
    return Scaler().apply(numbers[0])

@p.step
def other(mean):
    return mean
"""
)


class Project:
    """Files of a project that is imported anew after each edit."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text))

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.root / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def load(self) -> Pipeline:
        forget(self.root)
        for cache in self.root.rglob(
            "__pycache__"
        ):  # edits within the same second and size keep the bytecode
            shutil.rmtree(cache)
        return load_pipeline(self.root, "pipeline:p")

    def coded(self, step: str) -> Coded:
        return Code(self.root).of(self.load().steps[step])


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path)
    made.write({"pipeline.py": PIPELINE, "helpers.py": HELPERS})
    yield made
    forget(tmp_path)


@pytest.mark.parametrize(
    ("step", "file", "old", "new"),
    [
        ("mean", "pipeline.py", "sum(numbers)", "max(numbers)"),
        ("mean", "helpers.py", "by=2", "by=3"),
        ("mean", "helpers.py", "return x + RATE", "return x - RATE"),
        ("mean", "helpers.py", "RATE = 0.5", "RATE = 0.25"),
        ("mean", "pipeline.py", "import helpers", "import helpers as h, math as helpers"),
        ("numbers", "pipeline.py", "SIZE = 3", "SIZE = 4"),
        ("numbers", "pipeline.py", "SIZE = 3", "SIZE = 3\nif SIZE:\n    SIZE += 1"),
        ("numbers", "pipeline.py", "@p.step\ndef numbers", "@p.step(codec='pickle')\ndef numbers"),
        (
            "numbers",
            "pipeline.py",
            "@p.step\ndef numbers",
            "@p.step(outputs=('one', 'numbers_'))\ndef numbers",
        ),
        ("scaled", "helpers.py", 'index("b")', 'index("a")'),
        ("scaled", "helpers.py", "limit = 3", "limit = 4"),
        ("scaled", "helpers.py", '["a", "b"]', '["b", "a"]'),
        ("scaled", "helpers.py", "class Base:", "NAMES.append('c')\nclass Base:"),
    ],
)
def test_what_a_step_reaches_changes_its_digest(
    project: Project, step: str, file: str, old: str, new: str
) -> None:
    before = project.coded(step)
    project.edit(file, old, new)
    assert project.coded(step).digest != before.digest


@pytest.mark.parametrize(
    ("step", "file", "old", "new"),
    [
        ("mean", "helpers.py", "def unrelated(x):\n    return x", "def unrelated(x):\n    return -x"),
        ("mean", "helpers.py", "Docstring.", "Another."),
        ("mean", "helpers.py", "\nRATE", "\n\n\n# moved down\nRATE"),
        ("mean", "helpers.py", "limit = 3", "limit = 4"),
        ("mean", "pipeline.py", "# a comment", "# something else\n"),
        ("mean", "pipeline.py", "SIZE = 3", "SIZE = 4"),
        (
            "mean",
            "pipeline.py",
            "shift: float = 0.5",
            "shift: float = 0.9",
        ),  # a hyperparameter counts by its value
        (
            "other",
            "pipeline.py",
            "sum(numbers)",
            "max(numbers)",
        ),  # `mean` is an input there, not the function
        ("numbers", "pipeline.py", "import helpers", "import helpers, math"),
        (
            "numbers",
            "pipeline.py",
            "Pipeline('p')",
            "Pipeline('p')\nif __name__ == '__main__':\n    SIZE = 9",
        ),
    ],
)
def test_what_a_step_does_not_reach_leaves_it_alone(
    project: Project, step: str, file: str, old: str, new: str
) -> None:
    before = project.coded(step)
    project.edit(file, old, new)
    assert project.coded(step) == before


IMPORTS = {
    "from": "from helpers import clean",
    "renamed": "from helpers import clean as clean",
    "package": "from pack import clean",
    "submodule": "from pack import inner\nclean = inner.clean",
    "dotted": "import pack.inner\ndef clean(x): return pack.inner.clean(x)",
    "relative": "from pack.relative import clean",
    "star": "from helpers import *",
    "star through": "from pack.starred import clean",
    "on condition": "try:\n    from nowhere import clean\nexcept ImportError:\n    from helpers import clean",
    "inside": "def clean(x):\n    import helpers as h\n    return h.clean(x)",
    "lambda": "clean = lambda x: __import_free(x)\nfrom helpers import clean as __import_free",
    "partial": "import functools, helpers as h\nclean = functools.partial(h.clean, by=2)",
    "default": "import helpers as h\ndef clean(x, how=h.clean): return how(x)",
    "decorated": "import helpers as h\ndef deco(f): return h.clean\n@deco\ndef clean(x): return x",
    "method": "import helpers as h\nclass C:\n    def run(self, x): return h.clean(x)\nclean = C().run",
    "table": "import helpers as h\nTABLE = {'clean': h.clean}\ndef clean(x): return TABLE['clean'](x)",
    "annotated": "import helpers\nclean: object = helpers.clean",
    "comprehension": "import helpers as h\ndef clean(x): return [h.clean(y) for y in [x]][0]",
    "nested": "import helpers as h\ndef clean(x):\n    def inner(y): return h.clean(y)\n    return inner(x)",
    "class attribute": "import helpers\nclass C:\n    helpers = staticmethod(helpers.clean)\ndef clean(x): return C.helpers(x)",
}


@pytest.mark.parametrize("way", IMPORTS)
def test_a_helper_is_found_however_it_is_named(project: Project, way: str) -> None:
    project.write(
        {
            "pack/__init__.py": "from .inner import clean\n",
            "pack/inner.py": "import helpers\ndef clean(x): return helpers.clean(x)\n",
            "pack/relative.py": "from .inner import clean\n",
            "pack/starred.py": "from ..helpers import *\n" if False else "from helpers import *\n",
            "pipeline.py": f"import noria\np = noria.Pipeline('p')\n{IMPORTS[way]}\n@p.step\ndef one():\n    return clean(1)\n",
        }
    )
    before = project.coded("one")
    assert before.notes == ()
    project.edit("helpers.py", "return x + RATE", "return x - RATE")
    changed = project.coded("one")
    assert changed.digest != before.digest
    project.edit("helpers.py", "def unrelated(x):\n    return x", "def unrelated(x):\n    return -x")
    assert project.coded("one") == changed


UNSURE = {
    "globals": "def one():\n    return globals()['hel' + 'pers'].clean(1)",
    "a module as a value": "def one():\n    return getattr(helpers, 'cle' + 'an')(1)",
    "importlib": "import importlib\n@p.step\ndef one():\n    return importlib.import_module('hel' + 'pers').clean(1)",
    "eval": "def one():\n    return eval('helpers.clean(1)')",
    "registry": """
        KNOWN = {}
        def register(f):
            KNOWN[f.__name__] = f
            return f
        @register
        def clean(x):
            return helpers.clean(x)
        @p.step
        def one():
            return KNOWN['clean'](1)""",
    "made elsewhere": "setattr(__import__('sys').modules[__name__], 'clean', helpers.clean)\n@p.step\ndef one():\n    return clean(1)",
}


@pytest.mark.parametrize("way", UNSURE)
def test_what_cannot_be_followed_counts_whole_and_says_so(project: Project, way: str) -> None:
    body = dedent(UNSURE[way])
    body = body if "@p.step" in body else f"@p.step\n{body}"
    project.write({"pipeline.py": f"{HEAD}\n{body}\n"})
    before = project.coded("one")
    assert before.notes
    project.edit(
        "helpers.py" if way != "globals" else "pipeline.py",
        "import helpers" if way == "globals" else "return x + RATE",
        "import helpers, math" if way == "globals" else "return x - RATE",
    )
    assert project.coded("one").digest != before.digest


def test_a_step_made_by_a_function_counts_with_what_it_closes_over(project: Project) -> None:
    text = (
        HEAD
        + """
def make(pipeline, power, by):
    @pipeline.step
    def one():
        return by(2) ** power
    return one

make(p, 2, helpers.clean)
"""
    )
    project.write({"pipeline.py": text})
    before = project.coded("one").digest
    project.edit("pipeline.py", "make(p, 2,", "make(p, 3,")
    powered = project.coded("one").digest
    project.edit("helpers.py", "return x + RATE", "return x - RATE")
    assert len({before, powered, project.coded("one").digest}) == 3


def test_a_constant_read_while_importing_counts_by_its_value(project: Project) -> None:
    text = "import json, noria\nfrom pathlib import Path\np = noria.Pipeline('p')\n"
    text += "HERE = str(Path(__file__).parent)\nCONFIG = json.loads(Path(HERE, 'c.json').read_text())\n"
    text += "@p.step\ndef one():\n    return CONFIG['a'], HERE\n"
    project.write({"pipeline.py": text, "c.json": '{"a": 1}'})
    before = project.coded("one")
    assert before == project.coded("one")
    (project.root / "c.json").write_text('{"a": 2}')
    assert project.coded("one").digest != before.digest


def test_an_object_read_while_importing_is_told(project: Project) -> None:
    project.write(
        {
            "pipeline.py": "import noria, numpy as np\np = noria.Pipeline('p')\n"
            "np.save(__file__ + '.npy', np.zeros(3))\nTABLE = np.load(__file__ + '.npy')\n"
            "@p.step\ndef one():\n    return TABLE\n"
        }
    )
    [note] = project.coded("one").notes
    assert "TABLE (pipeline.py:4) comes from load" in note


def test_stacked_pipelines_and_parts_are_no_code(project: Project) -> None:
    text = "import noria\nfrom parts import q\np = noria.Pipeline('p')\n@p.step\n@q.step\ndef one():\n    return two()\n"
    text += "@q.check\ndef two():\n    return None\n"
    project.write({"pipeline.py": text, "parts.py": "import noria\nq = noria.Part()\n"})
    before = project.coded("one")
    project.edit("pipeline.py", "@p.step\n@q.step", "@p.step")
    project.edit("pipeline.py", "@q.check", "@q.step")
    assert project.coded("one") == before


SCRIPT = """
import sys
from pathlib import Path
from noria.graph.load import load_pipeline
from noria.pipeline.code import Code
root = Path(sys.argv[1])
code = Code(root)
for step in load_pipeline(root, "pipeline:p").steps.values():
    print(step.name, *code.of(step).notes, code.of(step).digest)
"""


def test_the_digest_is_the_same_in_every_process_and_checkout(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    project.edit(
        "pipeline.py",
        "SIZE = 3",
        "SIZE = 3\nWORDS = {'a', 'b', 'c'}\nHERE = __import__('os').path.dirname(__file__)",
    )
    project.edit("pipeline.py", "[1] * SIZE", "[1] * SIZE if WORDS and HERE else []")
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "checkout"
    shutil.copytree(project.root, elsewhere)
    said = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(root)],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for root, seed in ((project.root, "1"), (elsewhere, "2"))
    ]
    assert said[0] == said[1]
    assert said[0].count("blake3:") == 4


def test_code_outside_the_project_belongs_to_the_environment(project: Project) -> None:
    lib = project.root / ".venv" / "lib"
    lib.mkdir(parents=True)
    (lib / "vendored.py").write_text("def f(): return 1\n")
    project.write(
        {
            "pipeline.py": f"import sys, noria\nsys.path.append({str(lib)!r})\nimport vendored\n"
            "p = noria.Pipeline('p')\n@p.step\ndef one():\n    return vendored.f()\n"
        }
    )
    before = project.coded("one")
    (lib / "vendored.py").write_text("def f(): return 2\n")
    assert project.coded("one") == before


def test_code_beside_the_project_is_told(project: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    beside = tmp_path_factory.mktemp("monorepo")
    (beside / "sibling_of_the_project.py").write_text("def f(): return 1\n")
    project.write(
        {
            "pipeline.py": f"import sys, noria\nsys.path.append({str(beside)!r})\nimport sibling_of_the_project, json\n"
            "p = noria.Pipeline('p')\n@p.step\ndef one():\n    return json.dumps(sibling_of_the_project.f())\n"
        }
    )
    (note,) = project.coded("one").notes
    assert note.startswith("sibling_of_the_project is neither of the project nor installed")


def test_a_row_function_counts_in_the_code_of_the_whole_and_in_no_step(project: Project) -> None:
    rows = """
        @p.data(key="id", label="y")
        def rows(): ...
        @p.transform
        def features(rows): ...
        """
    project.write({"pipeline.py": HEAD + dedent(rows)})
    without, alone = Code(project.root).of_all(resolve(project.load())), project.coded("features")
    project.write(
        {"pipeline.py": HEAD + dedent(rows) + "@p.row(features)\ndef one(rows): return helpers.clean(rows)\n"}
    )
    beside = Code(project.root).of_all(resolve(project.load()))
    assert project.coded("features") == alone and beside != without
    project.edit("helpers.py", "return x + RATE", "return x - RATE")
    assert Code(project.root).of_all(resolve(project.load())) != beside
