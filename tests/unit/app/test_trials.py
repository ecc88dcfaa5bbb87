"""The trials of a search: how they are waited for."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from noria.app.trials import until_done

INTERRUPTED = """
import os, signal, threading, time
from concurrent.futures import ThreadPoolExecutor

import polars  # whose handler of SIGINT lets the system go on waiting for locks

from noria.app.trials import until_done

over = threading.Event()
with ThreadPoolExecutor(1) as threads:
    waiting = [threads.submit(lambda: over.wait(30) and None)]
    threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    try:
        until_done(waiting)
        print("not heard")
    except KeyboardInterrupt:
        print("heard while one", "ran" if not waiting[0].done() else "was over")
    over.set()
"""


def test_ctrl_c_is_heard_while_trials_run() -> None:
    """In a process of its own: what else has run in this one may have a hand on its signals."""
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.stdout, ended.returncode) == ("heard while one ran\n", 0), ended.stderr


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
