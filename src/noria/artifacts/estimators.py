"""scikit-learn's estimators, and LightGBM's and XGBoost's under its interface, through skops: no pickle."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from noria.artifacts.codec import CannotStore, Shelf, spelled
from noria.artifacts.kinds import kind_of, public_name
from noria.artifacts.trusted import TRUSTED
from noria.errors import ConfigError
from noria.records.artifacts import Artifact
from noria.records.base import Digest

READ_BACK = 32 * 2**20  # bytes; a larger model is not held twice while its step still holds it


@dataclass(eq=False)
class UntrustedTypes(ConfigError):
    """A model holds types that neither skops, nor Noria, nor the project trusts."""

    code = "UNTRUSTED-TYPES"
    what = "the model {model} holds what is not trusted to be made from a file: {types}"
    next = (
        "use scikit-learn's own parts where there are some, or return the fitted numbers in a dataclass; "
        'codec="pickle" on the step stores the model as it is, and is recorded as unsafe'
    )
    model: str
    types: list[str]


class SkopsCodec:
    """Fitted estimators and pipelines of them, in an archive of one form (see `archives`)."""

    name = "skops"
    version = 1

    def fits(self, value: object) -> bool:
        return kind_of(value) == "sklearn.BaseEstimator"

    def save(self, value: Any, shelf: Shelf) -> Artifact:
        data, classes = _dumped(value)
        name = public_name(type(value))
        if shelf.fresh is None or len(data) > READ_BACK:
            made, trusted = None, _trusted_in(data, name, shelf)
            digest = shelf.store.put(data)
        else:  # the disk needs some 10 ms to be sure of it; bytes of a model that is then refused go with `noria gc`
            with ThreadPoolExecutor(1) as beside:
                putting = beside.submit(shelf.store.put, data)
                made, trusted = _read_back(data, classes, name, shelf)
            digest = putting.result()
        artifact = Artifact(digest=digest, codec=spelled(self), size=len(data), type=name)
        shelf.looked_into[artifact.digest] = trusted
        if shelf.fresh is not None:
            shelf.fresh.clear()  # one at a time: it may be as large as what the step still holds
            if made is not None:
                shelf.fresh[artifact.digest] = made
        return artifact

    def load(self, artifact: Artifact, shelf: Shelf) -> Any:
        from skops import io

        if shelf.fresh and (made := shelf.fresh.pop(artifact.digest, None)) is not None:
            return made
        data = shelf.store.get(artifact.digest)
        trusted = shelf.looked_into.get(artifact.digest)
        if trusted is None or not set(trusted) <= TRUSTED | shelf.trusted:
            trusted = shelf.looked_into[artifact.digest] = _looked_into(data, artifact.type, shelf)
        return io.loads(data, trusted=trusted)

    def holds(self, artifact: Artifact, shelf: Shelf) -> Iterable[Digest]:
        return ()


def _dumped(value: Any) -> tuple[bytes, set[str]]:
    """Its bytes, and the classes in it."""
    from skops.io.exceptions import UnsupportedTypeException

    from noria.artifacts.archives import canonical
    from noria.artifacts.parted import parts_of

    try:
        return canonical(*parts_of(value))
    except (UnsupportedTypeException, TypeError, RecursionError) as error:
        raise CannotStore(
            type=public_name(type(value)), reason=f"skops has no form for a part of it: {error}", where=""
        ) from error


def _read_back(data: bytes, classes: set[str], model: str, shelf: Shelf) -> tuple[Any, list[str]]:
    """The model as its own bytes make it, and the types that had to be trusted for it. Judging and making it at once
    takes a quarter less than one after the other, and what cannot be read is found where it is made."""
    from skops import io
    from skops.io.exceptions import UntrustedTypesFoundException

    trusted = sorted(classes & (TRUSTED | shelf.trusted))
    try:
        return io.loads(data, trusted=trusted), trusted
    except UntrustedTypesFoundException:  # or it is trusted under a name that is not a class's
        trusted = _trusted_in(data, model, shelf)
        return io.loads(data, trusted=trusted), trusted


def _looked_into(data: bytes, model: str, shelf: Shelf) -> list[str]:
    """What it holds that skops itself does not trust, once it is known that nothing of it does harm."""
    from noria.artifacts.archives import unpacked
    from noria.artifacts.forged import check_trees

    trusted = _trusted_in(data, model, shelf)
    check_trees(*unpacked(data))
    return trusted


def _trusted_in(data: bytes, model: str, shelf: Shelf) -> list[str]:
    """The types in it that are for Noria or the project to trust. skops compares each part of a model with each name
    that it is given: with these few alone it takes half the time. Raises `UntrustedTypes`."""
    from skops import io

    found: list[str] = io.get_untrusted_types(data=data)
    unknown = set(found) - TRUSTED - shelf.trusted
    if unknown:
        raise UntrustedTypes(model=model, types=sorted(unknown))
    return found
