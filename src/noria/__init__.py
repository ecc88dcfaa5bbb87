"""Noria keeps a machine-learning model in production fresh with the very stream that the model answers.

A user's file needs this module alone: `Pipeline` and `Part` to declare steps as plain functions, `Each`, `Partition`,
`Resources` and `Retry` to say how they run; inside of a step `log`, `show`, `checkpoint` and `files`; in a notebook
`runs` and `versions`.
"""

from typing import TYPE_CHECKING, Any

from noria.declare import Each, Part, Partition, Pipeline, Resources

if TYPE_CHECKING:
    from noria.client import runs, versions
    from noria.inside import callbacks, checkpoint, log, show
    from noria.records.needs import Retry

__all__ = [
    "Each",
    "Part",
    "Partition",
    "Pipeline",
    "Resources",
    "Retry",
    "callbacks",
    "checkpoint",
    "log",
    "runs",
    "show",
    "versions",
]
__version__ = "0.1.0"

_LATER = {
    "Retry": "noria.records.needs",
    "callbacks": "noria.inside",
    "checkpoint": "noria.inside",
    "log": "noria.inside",
    "runs": "noria.client",
    "show": "noria.inside",
    "versions": "noria.client",
}


def __getattr__(name: str) -> Any:
    """What only some users' files need is imported when it is asked for: `import noria` stays quick."""
    if name not in _LATER:
        raise AttributeError(f"module 'noria' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LATER[name]), name)
