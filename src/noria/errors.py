"""Errors in families by who must act: each is built from typed facts and rendered once, at the edge.

A concrete error is a small dataclass beside the code that raises it: its fields are the facts, `code` is stable,
`what` and `next` are templates over the facts. The CLI renders it to stderr and exits with `exit`; HTTP renders it
as problem+json with `status` and the same code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

SHOWN = 5  # items of a list that an error spells out; the rest is counted
LONGEST = 2000  # characters of one fact in a message; a traceback or a row may be larger than a screen


class NoriaError(Exception):
    """The root of everything that Noria raises on purpose; not raised itself."""

    code: ClassVar[str]
    what: ClassVar[str]
    next: ClassVar[str]
    exit: ClassVar[int] = 70
    status: ClassVar[int] = 500
    at_step: str = ""
    """The step, or item of a fan-out, that it ended; the driver of a run says so. Empty: it is of no step."""

    def facts(self) -> dict[str, object]:
        """What the error knows, by name: its dataclass fields."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def __str__(self) -> str:
        return _fill(self.what, self.facts())

    def __reduce__(self) -> tuple[object, ...]:
        """Pickled by its facts: an exception's own way loses them, and kills the pool that waits for it."""
        return _restored, (type(self), dict(vars(self)))

    def headline(self) -> str:
        """What happened, in one line: without the traceback that some errors bring."""
        return str(self).partition("\n")[0]

    def advice(self) -> str:
        """The next step, with the facts filled in."""
        return _fill(self.next, self.facts())

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows in a traceback's place: IPython asks for it."""
        return render(self).splitlines()


class UsageError(NoriaError):
    """The caller asked for something that cannot be: a wrong option, a malformed request."""

    exit, status = 2, 400


class ConfigError(NoriaError):
    """The project's owner must change a file: noria.toml, a pipeline, the environment."""

    exit, status = 2, 500


class NotFound(NoriaError):
    """What was named does not exist."""

    exit, status = 3, 404


class Conflict(NoriaError):
    """The state has moved on, or somebody else holds what is asked for."""

    exit, status = 3, 409


class Unavailable(NoriaError):
    """Something outside does not answer now; the only family that is retried."""

    exit, status = 4, 503


class BackendError(NoriaError):
    """The operator must act: a full disk, refused credentials, a schema that is too new."""

    exit, status = 4, 500


class Corrupt(NoriaError):
    """Bytes are not what their digest says, or a chain does not verify: stop everything."""

    exit, status = 5, 500


class StepFailed(NoriaError):
    """The user's own code failed: a negative outcome of a run, not a fault of Noria."""

    exit, status = 1, 500


class Bug(NoriaError):
    """Noria broke its own promise; please report it."""

    exit, status = 70, 500


def render(error: NoriaError) -> str:
    """The error as the CLI prints it: code and sentence, the step that it ended, then what to do next."""
    head, _, rest = str(error).partition("\n")
    lines = [f"error[{error.code}]: {head}", *(f"  {line}" for line in rest.splitlines())]
    if error.at_step and error.at_step not in head:
        lines.append(f"  step:  {error.at_step}")
    return "\n".join([*lines, f"  next:  {error.advice()}"])


def problem(error: NoriaError) -> dict[str, object]:
    """The error as RFC 9457 problem details."""
    return {
        "type": f"urn:noria:error:{error.code.lower()}",
        "code": error.code,
        "status": error.status,
        "detail": str(error),
        "next": error.advice(),
    }


def _restored(kind: type[NoriaError], facts: dict[str, object]) -> NoriaError:
    error = kind.__new__(kind)
    vars(error).update(facts)
    return error


def _fill(template: str, facts: Mapping[str, object]) -> str:
    return template.format(**{name: _shown(value) for name, value in facts.items()})


def _shown(value: object) -> object:
    if isinstance(value, str):
        return value if len(value) <= LONGEST else value[:LONGEST] + " ..."
    if isinstance(value, Sequence | set | frozenset):
        items = [str(item) for item in value]
        more = f" ... and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
        return ", ".join(items[:SHOWN]) + more
    return value
