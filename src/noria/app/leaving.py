"""The end of a process whose work is done."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
from typing import Any, NoReturn

WITH_C = frozenset(
    {"ctypes", "numpy"}
)  # who prints through C's buffers has imported one of these; else 5 ms are saved


def leave(code: int = 0) -> NoReturn:
    """End without tearing down the interpreter, which beside scikit-learn takes longer than a short run; exit handlers
    run. Where a thread is still at work, in the ordinary way, which waits for it."""
    main = threading.main_thread()
    if any(thread is not main and not thread.daemon for thread in threading.enumerate()):
        sys.exit(code)
    with contextlib.suppress(BaseException):  # a library's exit handler is no reason to stay
        run: Any = atexit._run_exitfuncs
        run()
    flush()
    os._exit(code)


def flush() -> None:
    """Hand on what Python and C still hold back."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(ValueError, OSError, AttributeError):  # closed or replaced by user code
            stream.flush()
    if not WITH_C.isdisjoint(sys.modules):
        import ctypes

        ctypes.CDLL(None).fflush(None)
