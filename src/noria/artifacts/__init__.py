"""Objects to addressed bytes and back: a codec for each kind of value that a step may return.

In comes a value, or an artifact and the form in which its reader wants it; out goes the artifact's record, or the
value, mapped where it is large. It refuses to know which step made it and where the bytes lie.
"""

from noria.artifacts.artifacts import Artifacts, NoCodec
from noria.artifacts.codec import CannotStore, Codec, Shelf

__all__ = ["Artifacts", "CannotStore", "Codec", "NoCodec", "Shelf"]
