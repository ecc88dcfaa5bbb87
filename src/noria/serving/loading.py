"""What a worker's bundle names, opened: its version, its log, what the log may see; the one place in it that knows back ends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from noria.errors import NoriaError, NotFound, Unavailable
from noria.ports.serving import PredictionLog
from noria.serving.bundle import Bundle
from noria.serving.log import Narrator
from noria.serving.served import Served
from noria.serving.service_errors import NoGrpc
from noria.serving.veil import Veil

if TYPE_CHECKING:
    from noria.adapters.log_failures import FailureCounts, FailureLog
    from noria.ports.objects import ObjectStore
    from noria.records.base import Digest

AWAY = NotFound, Unavailable  # what a store says that is not where it was, or does not answer


@dataclass(frozen=True)
class Loaded:
    """A version, ready."""

    served: Served
    lacks: bool = False
    """Whether the bytes of its fast form could not be had: later they may."""


def load(bundle: Bundle, narrate: Narrator) -> Loaded:
    """The version, loaded and tried. Raises whatever keeps it from answering."""
    from noria.adapters.objects import open_objects
    from noria.fast.apart import with_pandas, without_pandas
    from noria.serving.by_model import direct_of, open_by_model

    if bundle.grpc:
        require_grpc(bundle.version.name)
    state, version = Path(bundle.state), bundle.version
    store, _ = open_objects(bundle.objects, state)
    path = direct_of(version)
    if path is not None:
        without_pandas()
        try:
            direct = open_by_model(version, path, store, max_rows=bundle.max_rows)
            return Loaded(direct.tried(bundle.sample))
        except (
            NoriaError
        ) as error:  # such as a library that is not in this environment: the graph still answers
            narrate("fast.unused", version=version.name, why=str(error))
            with_pandas()
            loaded = _load_graph(bundle, store, narrate)
            return replace(loaded, lacks=loaded.lacks or isinstance(error, AWAY))
    return _load_graph(bundle, store, narrate)


def has_fast_form(bundle: Bundle) -> bool:
    """Whether the bytes of the version's fast form can be had now; a store that does not answer is not waited for long."""
    from noria.adapters.objects import open_objects

    store, _ = open_objects(bundle.objects, Path(bundle.state), unmet=True)
    try:
        for each in bundle.version.fast.compiled.values() if bundle.version.fast else ():
            store.get(each.digest)
    except NoriaError:
        return False
    return True


def require_grpc(name: str) -> None:
    """Raises `NoGrpc` where this environment cannot answer over gRPC."""
    if find_spec("grpc") is None:
        raise NoGrpc(version=name)


def _load_graph(bundle: Bundle, store: ObjectStore, narrate: Narrator) -> Loaded:
    from noria.artifacts import Artifacts
    from noria.inside.context import hold
    from noria.serving.by_graph import Loader

    hold(store)
    trees = Trees(store, Path(bundle.state) / "code")
    loader = Loader(Artifacts(store), trees, narrate, max_rows=bundle.max_rows)
    served = loader.load(bundle.version)
    return Loaded(served, lacks=isinstance(loader.unused, AWAY))


def log_of(bundle: Bundle) -> PredictionLog:
    from noria.adapters.log_writer import LogWriter, Unlogged

    if bundle.durability == "off":
        return Unlogged()
    return LogWriter(Path(bundle.state) / "log", bundle.version.model, synced=True)


def failures_of(bundle: Bundle) -> FailureLog:
    """Where units are noted that got no answer."""
    from noria.adapters.log_failures import FailureLog

    return FailureLog(Path(bundle.state), bundle.version.model)


def failure_counts_of(bundle: Bundle) -> FailureCounts:
    """Where it is counted how many requests got no answer."""
    from noria.adapters.log_failures import FailureCounts

    return FailureCounts(Path(bundle.state), bundle.version.model)


def veil_of(bundle: Bundle) -> Veil | None:
    """What of the rows the log may have; None where it may have all."""
    from noria.adapters.log_secret import hashing_of

    policy = bundle.log
    if not (policy.redact or policy.hash):
        return None
    return Veil(bundle.version.signature, policy, hashing_of(Path(bundle.state), policy))


@dataclass(frozen=True)
class Trees:
    """The `CodeTrees` of a state folder."""

    store: ObjectStore
    into: Path

    def materialise(self, tree: Digest) -> Path:
        from noria.artifacts.trees import materialise

        return materialise(tree, self.store, self.into)
