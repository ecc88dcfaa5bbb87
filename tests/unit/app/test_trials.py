"""The trials of a search: how they are waited for."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import polars  # noqa: F401  (whose handler of SIGINT lets the system go on waiting for locks)
import pytest

from noria.app.trials import until_done


def test_ctrl_c_is_heard_while_trials_run() -> None:
    over = threading.Event()
    for seconds, then in ((0.1, lambda: os.kill(os.getpid(), signal.SIGINT)), (3.0, over.set)):
        timer = threading.Timer(seconds, then)
        timer.daemon = True
        timer.start()
    began = time.monotonic()
    with ThreadPoolExecutor(1) as threads:
        waiting = [threads.submit(lambda: over.wait() and None)]
        with pytest.raises(KeyboardInterrupt):
            until_done(waiting)
        heard = time.monotonic() - began
        over.set()
    assert heard < 2, "only when the trial was over"


def test_what_one_raises_is_raised_while_others_run() -> None:
    over = threading.Event()

    def failing() -> None:
        raise ZeroDivisionError

    with ThreadPoolExecutor(2) as threads:
        waiting = [threads.submit(lambda: over.wait(5) and None), threads.submit(failing)]
        with pytest.raises(ZeroDivisionError):
            until_done(waiting)
        assert not waiting[0].done()
        over.set()
