"""Commit -> pinned code and environment.

In come a project's folder, its repository and its lock file; out go the records that pin a run (`Source`,
`Environment`, `Machine`), with every file of the project in the object store. It refuses to know what the code does,
and it records no environment variable.
"""

from noria.source.capture import capture
from noria.source.environment import environment
from noria.source.machine import machine
from noria.source.provenance import provenance

__all__ = ["capture", "environment", "machine", "provenance"]
