"""Whether a result can still be used: what it holds is in the store, with all that its bytes name."""

from __future__ import annotations

from noria.pipeline.fingerprint import is_data
from noria.ports.objects import ObjectStore
from noria.records.artifacts import Artifact
from noria.records.runs import StepResult


def there(result: StepResult, store: ObjectStore) -> bool:
    """Whether every output is whole, and so is what is recorded with it: asking keeps it from being collected."""
    beside = [result.series] if result.series else []
    artifacts = [*result.outputs.values(), *beside, *(exhibit.artifact for exhibit in result.card)]
    return all(_whole(artifact, store) for artifact in artifacts) and (
        not result.log or store.has(result.log)
    )


def _whole(artifact: Artifact, store: ObjectStore) -> bool:
    if not store.has(artifact.digest):
        return False
    if is_data(artifact) and not artifact.codec.startswith(("path/", "files/")):
        return True
    from noria.artifacts import Artifacts

    return all(store.has(digest) for digest in Artifacts(store).holds(artifact))
