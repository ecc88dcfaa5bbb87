"""Whether the nodes of a cluster can run what the driver asks: asked of each node itself."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

PATIENCE = (
    120.0  # s until a node must have answered: a first process there takes half a minute on a busy machine
)
SHOWN = 3  # packages of another version that are named


def look(node: str, objects: str, tree: str | None, variables: Mapping[str, str]) -> dict[str, Any]:
    """On a node, which may lack Noria: so this is sent by its value, and needs the standard library alone."""
    import os
    import platform
    from importlib import metadata

    found: dict[str, Any] = {"python": platform.python_version(), "store": None, "mark": None}
    found["packages"] = {one.name.lower(): one.version for one in metadata.distributions() if one.name}
    found["noria"] = found["packages"].get("noria")
    os.environ.update(variables)
    try:
        from pathlib import Path

        from noria.adapters.objects import open_objects
        from noria.adapters.ray_node import node_folder

        store, _ = open_objects(objects, Path(node_folder()))
        if tree is not None:
            store.get(tree)  # type: ignore[arg-type]  # its type's name may be unknown here
        found["mark"] = store.put(f"noria was seen on node {node}".encode())
    except Exception as error:  # whatever keeps a node from the store is what the driver wants to know
        found["store"] = f"{type(error).__name__}: {error}".partition("\n")[0]
    return found


def sees(path: str) -> dict[str, bool]:
    """On a node: whether there is a file."""
    from pathlib import Path

    return {"seen": Path(path).exists()}


def ours() -> dict[str, Any]:
    """The same of this process."""
    import platform
    from importlib import metadata

    packages = {one.name.lower(): one.version for one in metadata.distributions() if one.name}
    return {"python": platform.python_version(), "noria": packages.get("noria"), "packages": packages}


def faults(node: str, there: Mapping[str, Any], here: Mapping[str, Any], objects: str) -> list[str]:
    """What keeps one node from running steps, in a reader's words."""
    if there["noria"] is None:
        return [f"{node} has no Noria"]
    found = [
        f"{node} has {name} {there[key]}, and this machine {here[key]}"
        for key, name in (("noria", "Noria"), ("python", "Python"))
        if there[key] != here[key]
    ]
    if others := _others(there["packages"], here["packages"]):
        found.append(f"{node} has other versions of {others}")
    if there["store"]:
        found.append(f"{node} does not see the object store {objects}: {there['store']}")
    return found


def advice(found: Sequence[str]) -> str:
    if any("object store" in one for one in found):
        return (
            'let all nodes see one store: [store] objects = "s3://...", or a shared folder as file:///...; what a client '
            'needs of this environment goes there with variables = ["AWS_*"] under [engine]'
        )
    return f"install the same environment on every node: Python {sys.version.split()[0]}, and the project's packages"


def _others(there: Mapping[str, str], here: Mapping[str, str]) -> str:
    """Packages that a node has in another version, as results may then differ; one that it lacks says so by itself."""
    names = sorted(name for name in here if name in there and there[name] != here[name] and name != "noria")
    shown = [f"{name} ({there[name]}, here {here[name]})" for name in names[:SHOWN]]
    return ", ".join(shown) + (f" and {len(names) - SHOWN} more" if names[SHOWN:] else "")
