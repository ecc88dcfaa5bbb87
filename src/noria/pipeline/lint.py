"""What in a pipeline's code makes its results unrepeatable, read off the code without running a step.

Looked at is every definition of the project that a step reaches, as for its code's digest. A line that ends in
`# noria: repeatable` is taken at its word.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from noria.declare import Resolved, Step, StepSpec
from noria.pipeline.code import Code
from noria.pipeline.lint_rules import RULES, Rule, Severity, Use
from noria.pipeline.modules import Module, file_of
from noria.pipeline.syntax import unrolled
from noria.records.base import Record

WORD = "# noria: repeatable"
UNSAFE = ("pickle", "torch-export")  # codecs
BUILTINS = frozenset({"open"})  # the one builtin that a rule is about


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
    return [*_declared(step), *_strangers(step, code), *_reached(step, code)]


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


def _strangers(step: Step, code: Code) -> Iterator[Lint]:
    for package in code.strangers(step):
        yield Lint(
            rule="outside",
            severity="breaks",
            step=step.name,
            where=file_of(package) or package,
            what=f"{package} is neither of the project nor installed in its environment: no record keeps it, and where it is "
            "not found, no service and no rebuild of a version can import it",
            next="move it into the project, or install it as a package that the lock knows",
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
