"""Whether a result can still be used: its outputs are in the store, with all that their bytes name."""

from __future__ import annotations

from noria.pipeline.fingerprint import is_data
from noria.ports.objects import ObjectStore
from noria.records.artifacts import Artifact
from noria.records.runs import StepResult


def there(result: StepResult, store: ObjectStore) -> bool:
    """Whether every output is whole."""
    return all(_whole(artifact, store) for artifact in result.outputs.values())


def _whole(artifact: Artifact, store: ObjectStore) -> bool:
    if not store.has(artifact.digest):
        return False
    if is_data(artifact) and not artifact.codec.startswith("path"):
        return True
    from noria.artifacts import Artifacts

    return all(store.has(digest) for digest in Artifacts(store).holds(artifact))
