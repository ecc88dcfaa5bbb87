"""From fitted estimators to documents; runs beside the libraries that trained them, never in a service.

In comes an estimator as its library made it; out goes a `Compiled`, or an `Uncompiled` with the part that has no form
and why. It refuses to answer rows: `noria.fast.opened` does.
"""

from noria.fast.compiling.model import compile_model

__all__ = ["compile_model"]
