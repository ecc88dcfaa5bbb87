"""What a row function must look like beside its transform."""

from __future__ import annotations

from noria.declare.errors import WrongRole
from noria.declare.steps import Step


def check_row_function(function: Step, name: str, transform: Step | None) -> None:
    """Raises `WrongRole` where it does not stand beside a transform, or reads what that does not."""
    if transform is None or transform.role != "transform":
        role = f"is a {transform.role}" if transform else "is no step of this pipeline"
        raise _wrong(function, f"stands beside {name}, which {role}", "name a function under @transform")
    if function.inputs != transform.inputs:
        problem = f"reads {_listed(function.inputs)}, and {name} reads {_listed(transform.inputs)}"
        raise _wrong(function, problem, f"def {function.name}({', '.join(transform.inputs)}, ...)")
    for parameter, default in function.parameters.items():
        if parameter not in transform.parameters:
            problem = f"has a hyperparameter {parameter!r} that {name} has not"
            raise _wrong(function, problem, f"give {name} the hyperparameter, too, or make it a constant")
        if transform.parameters[parameter] != default:
            problem = f"has {parameter}={default!r}, and {name} has {transform.parameters[parameter]!r}"
            raise _wrong(function, problem, "write the same default in both")


def _wrong(function: Step, problem: str, fix: str) -> WrongRole:
    return WrongRole(where=function.where, role="row function", problem=problem, fix=fix)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(map(repr, names)) or "nothing"
