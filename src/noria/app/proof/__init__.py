"""The proof: a version rebuilt from its record alone, compared with it, and the difference explained.

In come a version and the results of its run; out goes a `Proof`. It refuses to read anything of the working tree: code,
parameters, data and environment are those of the record.
"""

from noria.app.proof.reproduce import reproduce

__all__ = ["reproduce"]
