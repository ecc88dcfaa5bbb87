"""Noria keeps a machine-learning model in production fresh with the very stream that the model answers.

A user's file needs this module alone: `Pipeline` and `Part` to declare steps as plain functions, `Each`, `Partition`,
`Resources` and `Retry` to say how they run; inside of a step `log`, `show`, `checkpoint`, `files`, `read`,
`delta` and `iceberg`; in a notebook `runs`, `versions`, `predictions` and `monitors`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from noria.artifacts.filed import Files
    from noria.client import monitors, predictions, runs, versions
    from noria.declare import Each, Part, Partition, Pipeline, Resources
    from noria.inside import callbacks, checkpoint, log, show
    from noria.inside.files import files, read
    from noria.inside.snapshots import delta, iceberg
    from noria.records.needs import Retry

__all__ = [
    "Each",
    "Files",
    "Part",
    "Partition",
    "Pipeline",
    "Resources",
    "Retry",
    "callbacks",
    "checkpoint",
    "delta",
    "files",
    "iceberg",
    "log",
    "monitors",
    "predictions",
    "read",
    "runs",
    "show",
    "versions",
]
__version__ = "0.1.0"

_LATER = {
    "Each": "noria.declare",
    "Part": "noria.declare",
    "Partition": "noria.declare",
    "Pipeline": "noria.declare",
    "Resources": "noria.declare",
    "Files": "noria.artifacts.filed",
    "Retry": "noria.records.needs",
    "callbacks": "noria.inside",
    "checkpoint": "noria.inside",
    "delta": "noria.inside.snapshots",
    "files": "noria.inside.files",
    "iceberg": "noria.inside.snapshots",
    "log": "noria.inside",
    "monitors": "noria.client",
    "predictions": "noria.client",
    "read": "noria.inside.files",
    "runs": "noria.client",
    "show": "noria.inside",
    "versions": "noria.client",
}


def __getattr__(name: str) -> Any:
    """Imported when it is asked for: `import noria` stays quick, and with it each command."""
    if name not in _LATER:
        raise AttributeError(f"module 'noria' has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(
        import_module(_LATER[name]), name
    )  # a step may log 100,000 times a second
    return found
