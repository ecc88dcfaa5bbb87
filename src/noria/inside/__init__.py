"""What a step's code may call while it runs: log figures, show things on the card, keep checkpoints, read what lies
outside.

In come values; out go a spool of points that survives the process, artifacts for the card, and the newest checkpoint
under the step's fingerprint, and the pins of what was read. It refuses to know drivers, records and engines; outside of a worker nothing is kept.
"""

from noria.inside import callbacks
from noria.inside.card import show
from noria.inside.checkpoints import checkpoint
from noria.inside.series import log

__all__ = ["callbacks", "checkpoint", "log", "show"]
