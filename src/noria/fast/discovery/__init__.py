"""What a predict function does with its estimator, found in its source and by watching it answer.

In come predict, its frozen inputs and a table; out goes a `Plan` for a direct path, or one sentence why there is
none. It refuses to guess: both ways must agree, and every answer must be bit for bit the method's own.
"""

from noria.fast.discovery.feeding import discover_session
from noria.fast.discovery.watching import (
    Called,
    Direction,
    Predicting,
    Watched,
    called_with,
    discover,
    watched,
)

__all__ = [
    "Called",
    "Direction",
    "Predicting",
    "Watched",
    "called_with",
    "discover",
    "discover_session",
    "watched",
]
