"""What decides a step's result, and in a reader's words why it runs again."""

from __future__ import annotations

from collections.abc import Mapping

from noria.declare import Step
from noria.pipeline.code import Coded
from noria.records.artifacts import Artifact
from noria.records.base import Digest, Json, digest_of
from noria.records.runs import Fingerprint, StepResult

DATA = frozenset({"arrow", "npy", "json", "bytes", "png", "path", "files", "lightgbm", "xgboost"})
"""Codecs of plain data. An object of another codec behaves as the code says that made it, not by its bytes alone."""
UNSEEDED = frozenset({"data", "transform"})
"""Roles that draw no random numbers: data is always read, and a transform gives a row the same answer every time."""

FIRST_RUN, ALWAYS_READ, GONE = "first run", "data is always read", "its outputs are gone from the store"
LONGEST = 40  # characters of a value in a sentence


def fingerprint(
    step: Step,
    *,
    coded: Coded,
    inputs: Mapping[str, Artifact],
    makers: Mapping[str, Digest],
    parameters: Mapping[str, Json],
    environment: Digest,
    seed: int,
) -> Fingerprint:
    """The key under which a step's result is kept.

    `inputs`: what it reads, the raw rows among them where Noria hides columns of theirs or puts them beside a
    transform's output. `makers`: for each input the code that made it, which counts where the input is an object
    with methods. The run's seed counts for every role that may draw random numbers: nobody can tell which do.
    """
    return Fingerprint(
        code=coded.digest,
        inputs={name: _content(artifact, makers.get(name)) for name, artifact in inputs.items()},
        parameters=dict(parameters),
        environment=environment,
        seed=0 if step.role in UNSEEDED else seed,
    )


def carried(coded: Coded, inputs: Mapping[str, Artifact], makers: Mapping[str, Digest]) -> Digest:
    """The code that an object made by a step may behave by: the step's own, and that of the objects it was given."""
    given = [
        makers[name] for name, artifact in sorted(inputs.items()) if name in makers and not is_data(artifact)
    ]
    return digest_of([coded.digest, given]) if given else coded.digest


def is_data(artifact: Artifact) -> bool:
    """Whether an artifact is its bytes and nothing else."""
    return artifact.codec.partition("/")[0] in DATA


def why(previous: StepResult | None, now: Fingerprint) -> str:
    """What differs from the step's last result, the first cause first: `code changed, input train changed`."""
    if previous is None:
        return FIRST_RUN
    before = previous.fingerprint
    found = ["code changed"] if before.code != now.code else []
    found += ["environment changed"] if before.environment != now.environment else []
    found += _input_changes(before.inputs, now.inputs)
    found += _parameter_changes(before.parameters, now.parameters)
    found += [f"seed {before.seed} -> {now.seed}"] if before.seed != now.seed else []
    return ", ".join(found) or GONE


def _content(artifact: Artifact, maker: Digest | None) -> Digest:
    if is_data(artifact) or maker is None:
        return artifact.digest
    return digest_of([artifact.digest, maker])


def _input_changes(before: Mapping[str, Digest], now: Mapping[str, Digest]) -> list[str]:
    changed = [f"input {name} changed" for name, digest in now.items() if before.get(name, digest) != digest]
    added = [f"input {name} is new" for name in now if name not in before]
    return changed + added + [f"input {name} is gone" for name in before if name not in now]


def _parameter_changes(before: Mapping[str, Json], now: Mapping[str, Json]) -> list[str]:
    changed = [
        f"parameter {name} {_shown(before[name])} -> {_shown(value)}"
        for name, value in now.items()
        if name in before and before[name] != value
    ]
    added = [f"parameter {name} is new: {_shown(value)}" for name, value in now.items() if name not in before]
    return changed + added + [f"parameter {name} is gone" for name in before if name not in now]


def _shown(value: Json) -> str:
    text = str(value)
    return text if len(text) <= LONGEST else text[:LONGEST] + "..."
