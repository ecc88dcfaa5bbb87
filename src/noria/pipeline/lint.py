"""What in a pipeline's code makes its results unrepeatable, read off the code without running a step.

Looked at is every definition of the project that a step reaches, as for its code's digest. A line that ends in
`# noria: repeatable` is taken at its word.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from noria.declare import Resolved, Step, StepSpec
from noria.pipeline.code import Code
from noria.pipeline.modules import Module
from noria.pipeline.syntax import unrolled
from noria.records.base import Record

WORD = "# noria: repeatable"
UNSAFE = ("pickle", "torch-export")  # codecs
BUILTINS = frozenset({"open"})  # the one builtin that a rule is about
READERS = frozenset(
    {
        "csv",
        "parquet",
        "json",
        "ndjson",
        "ipc",
        "excel",
        "database",
        "sql",
        "feather",
        "delta",
        "avro",
        "table",
    }
)

Severity = Literal["breaks", "risks"]


class Lint(Record, kw_only=True):
    """One place that makes, or may make, a result another one next time."""

    rule: str
    severity: Severity
    """`breaks`: the next run gives another result; `risks`: it may, elsewhere or later."""
    step: str
    where: str
    """`pipeline.py:31`."""
    what: str
    next: str


@dataclass(frozen=True)
class Use:
    """A name of a library that is used: called with what, or only read."""

    name: str
    """Dotted, as the library says it: `numpy.random.default_rng`."""
    node: ast.expr
    call: ast.Call | None
    inside: tuple[ast.AST, ...]
    """The nodes around it, the nearest last."""

    @property
    def bare(self) -> bool:
        """Called without arguments, or with None."""
        if self.call is None or self.call.keywords:
            return False
        given = self.call.args
        return not given or (
            len(given) == 1 and isinstance(given[0], ast.Constant) and given[0].value is None
        )


@dataclass(frozen=True)
class Rule:
    """When a use is a fault. `holds` gets the use and the step's role."""

    name: str
    severity: Severity
    holds: Callable[[Use, str], bool]
    what: str
    next: str


def lint(resolved: Resolved, code: Code) -> tuple[Lint, ...]:
    """Every finding of every step, in the pipeline's order; a shared helper's stand under the first step that
    reaches it."""
    seen: set[tuple[str, str]] = set()
    found: list[Lint] = []
    for step in (*resolved.order, *(step for step in (resolved.predict, resolved.loss) if step)):
        for one in lint_step(step, code):
            if (one.rule, one.where) not in seen:
                seen.add((one.rule, one.where))
                found.append(one)
    return tuple(found)


def lint_step(step: Step, code: Code) -> list[Lint]:
    """Every finding of one step and what it reaches."""
    return [*_declared(step), *_reached(step, code)]


def _declared(step: Step) -> Iterator[Lint]:
    if isinstance(step.spec, StepSpec) and step.spec.codec in UNSAFE:
        yield Lint(
            rule="pickle",
            severity="risks",
            step=step.name,
            where=f"{step.where.file.rpartition('/')[2]}:{step.where.line}",
            what=f"keeps its output as a {step.spec.codec}, whose bytes depend on the library's version",
            next="return what has a codec: a table, an array, a model of scikit-learn, LightGBM or XGBoost, an ONNX model",
        )


def _reached(step: Step, code: Code) -> Iterator[Lint]:
    for module, node in code.reached(step):
        lines = module.path.read_text(errors="replace").splitlines()
        for rule, use in _broken(module, node, step.role):
            line = use.node.lineno
            if not lines[line - 1].rstrip().endswith(WORD):
                yield Lint(
                    rule=rule.name,
                    severity=rule.severity,
                    step=step.name,
                    where=f"{module.place}:{line}",
                    what=rule.what.format(name=use.name),
                    next=rule.next,
                )
        yield from _globals(step, module, node, lines)


def _broken(module: Module, node: ast.AST, role: str) -> Iterator[tuple[Rule, Use]]:
    for use in uses(module, node):
        for rule in RULES:
            if rule.holds(use, role):
                yield rule, use
                break


def _globals(step: Step, module: Module, node: ast.AST, lines: Sequence[str]) -> Iterator[Lint]:
    """`global counter`: what one step leaves behind in its process, the next one may find or not."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Global) and not lines[inner.lineno - 1].rstrip().endswith(WORD):
            yield Lint(
                rule="global",
                severity="breaks",
                step=step.name,
                where=f"{module.place}:{inner.lineno}",
                what=f"changes {', '.join(inner.names)} of its module: what ran before it in the same process counts",
                next="pass it in as an input, and return it as an output",
            )


def uses(module: Module, node: ast.AST) -> Iterator[Use]:
    """Every library's name that a definition uses, outermost attribute first, imports inside of it followed too."""
    local = _local_imports(node)
    yield from _uses(module, local, node, ())


def _uses(module: Module, local: dict[str, str], node: ast.AST, inside: tuple[ast.AST, ...]) -> Iterator[Use]:
    if isinstance(node, ast.Call):
        if name := _dotted(module, local, node.func):
            yield Use(name, node, node, inside)
        elif not isinstance(node.func, ast.Name):
            yield from _uses(module, local, node.func, (*inside, node))
        for part in (*node.args, *(keyword.value for keyword in node.keywords)):
            yield from _uses(module, local, part, (*inside, node))
    elif isinstance(node, ast.Attribute | ast.Name) and (name := _dotted(module, local, node)):
        yield Use(name, node, None, inside)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _uses(module, local, child, (*inside, node))


def _dotted(module: Module, local: dict[str, str], node: ast.expr) -> str | None:
    """`np.random.default_rng` as numpy's own name for it; None for a name of the project."""
    root, path = unrolled(node)
    if not isinstance(root, ast.Name):
        return None
    if root.id in local:
        return ".".join((local[root.id], *path))
    for target in module.outline.imports.get(root.id, ()):
        if not target.level:
            return ".".join(filter(None, (target.module, target.name, *path)))
    return root.id if not path and root.id in BUILTINS and root.id not in module.outline.bound else None


def _local_imports(node: ast.AST) -> dict[str, str]:
    found: dict[str, str] = {}
    for inner in ast.walk(node):
        if isinstance(inner, ast.Import):
            found |= {
                (alias.asname or alias.name.partition(".")[0]): (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
                for alias in inner.names
            }
        elif isinstance(inner, ast.ImportFrom) and not inner.level and inner.module:
            found |= {alias.asname or alias.name: f"{inner.module}.{alias.name}" for alias in inner.names}
    return found


def _one_of(*names: str) -> Callable[[Use, str], bool]:
    return lambda use, role: use.name in names


def _beneath(*packages: str) -> Callable[[Use, str], bool]:
    return lambda use, role: (
        role != "data" and use.name.partition(".")[0] in packages and use.call is not None
    )


def _unseeded(use: Use, role: str) -> bool:
    return use.name in UNSEEDED and use.bare


def _every_core(use: Use, role: str) -> bool:
    given = {keyword.arg: keyword.value for keyword in use.call.keywords} if use.call else {}
    return any(
        isinstance(value, ast.UnaryOp)
        and isinstance(value.operand, ast.Constant)
        and value.operand.value == 1
        for name, value in given.items()
        if name in ("n_jobs", "num_threads", "nthread")
    )


def _unsorted(use: Use, role: str) -> bool:
    around = use.inside[-1] if use.inside else None
    ordered = (
        isinstance(around, ast.Call) and isinstance(around.func, ast.Name) and around.func.id == "sorted"
    )
    return use.call is not None and use.name in UNSORTED and not ordered


def _reads(use: Use) -> bool:
    package, _, function = use.name.partition(".")
    verb, _, form = function.partition("_")
    if package in ("polars", "pandas"):
        return verb in ("read", "scan") and form in READERS
    return use.name in ("open", "numpy.load", "numpy.loadtxt", "joblib.load")


def _reads_in_step(use: Use, role: str) -> bool:
    return use.call is not None and role != "data" and _reads(use)


def _reads_unseen(use: Use, role: str) -> bool:
    return use.call is not None and role == "data" and _reads(use) and not _mentions_files(use)


def _mentions_files(use: Use) -> bool:
    """Whether what is read is said by a variable or by noria.files itself: only a literal path is certainly unseen."""
    first = use.call.args[0] if use.call and use.call.args else None
    return not isinstance(first, ast.Constant | ast.JoinedStr)


CLOCKS = (
    *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today"),
    *("time.time", "time.time_ns", "time.ctime", "pandas.Timestamp.now", "pandas.Timestamp.today"),
)
UNSEEDED = frozenset(
    {
        *("numpy.random.default_rng", "numpy.random.RandomState", "numpy.random.SeedSequence"),
        *("numpy.random.PCG64", "numpy.random.seed", "random.Random", "random.seed", "torch.Generator"),
    }
)
CHANCE = ("os.urandom", "uuid.uuid1", "uuid.uuid4", "random.SystemRandom", "torch.seed")
UNSORTED = frozenset({"os.listdir", "os.scandir", "os.walk", "glob.glob", "glob.iglob"})

RULES = (
    Rule(
        "clock",
        "breaks",
        _one_of(*CLOCKS),
        "asks {name} for the time, which is another one at the next run",
        "take `as_of` in the data step, and hand on what depends on it as a column or an output",
    ),
    Rule(
        "unseeded",
        "breaks",
        _unseeded,
        "{name}() without a seed draws other numbers each time; Noria seeds those of modules alone (`random`, `numpy.random`, polars, torch)",
        "give it a seed from a hyperparameter: def step(..., *, seed: int = 0)",
    ),
    Rule(
        "chance",
        "breaks",
        lambda use, role: use.name in CHANCE or use.name.startswith("secrets."),
        "{name} cannot be seeded",
        "draw from numpy.random.default_rng(seed), with the seed as a hyperparameter",
    ),
    Rule(
        "environment",
        "risks",
        lambda use, role: use.name in ("os.environ", "os.getenv") or use.name.startswith("os.environ."),
        "{name}: an environment variable is no part of the record",
        "make it a hyperparameter, which noria.toml or --set gives",
    ),
    Rule(
        "network",
        "breaks",
        _beneath("requests", "httpx", "aiohttp", "urllib", "urllib3", "boto3", "s3fs", "socket"),
        "{name} asks the network in the middle of the pipeline",
        "read it in a @data step: its content is then pinned and checked",
    ),
    Rule(
        "file",
        "risks",
        _reads_in_step,
        "{name} reads a file that neither the cache nor the record sees",
        "read it in a @data step through noria.files",
    ),
    Rule(
        "unseen",
        "risks",
        _reads_unseen,
        "{name} reads a file whose bytes are not kept: the result is, but a rebuild cannot read the file again",
        "noria.files(pattern) gives the paths, and keeps the files by digest",
    ),
    Rule(
        "order",
        "risks",
        _unsorted,
        "{name} gives names in the order of the file system",
        "put sorted(...) around it",
    ),
    Rule(
        "cores",
        "risks",
        _every_core,
        "{name} takes as many threads as the machine has cores: sums are rounded otherwise elsewhere",
        "declare resources=noria.Resources(cpus=n) on the step, and give the same n here",
    ),
)
"""Asked in this order; the first that holds is told."""
