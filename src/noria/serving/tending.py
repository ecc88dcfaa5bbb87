"""The keeper's care for the prediction log: rounds in a process of their own, so that no answer waits for one."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Sequence

import msgspec

from noria.graph.debt import STATES
from noria.serving.log import Narrator
from noria.serving.metrics import Metrics
from noria.serving.upkeep import Report

LOOK = 5.0  # s between two looks whether a segment is closed: a listing of a folder
FIRST = 15.0  # s until the first whole round: a service that comes up has better things to do
EVERY = 60.0  # s between two whole rounds: Prometheus scrapes as often
SHARE = 20  # a round that took long is begun again after so many times as long: 5 % of a core at most
SAID = 2000  # characters of what a failed round printed last


class Tending:
    """Looks after one model's log until it is cancelled."""

    def __init__(
        self, model: str, options: Sequence[str], due: Callable[[], bool], metrics: Metrics, narrate: Narrator
    ) -> None:
        self._model = model
        self._options = options
        self._due = due
        self._metrics = metrics
        self._narrate = narrate
        self._shown: list[int] = []

    async def run(self) -> None:
        """Rounds, one at a time."""
        loop = asyncio.get_running_loop()
        whole, well = loop.time() + FIRST, True  # what went wrong is tried again in the next whole round
        while True:
            await asyncio.sleep(LOOK)
            began = loop.time()
            if began >= whole:
                well = await self._round()
                whole = began + max(EVERY, SHARE * (loop.time() - began))
            elif well and await asyncio.to_thread(self._due):
                well = await self._round("--segments-alone")

    async def _round(self, *more: str) -> bool:
        """Whether it went well."""
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "noria.serving.upkeep", "--model", self._model),
                *self._options,
                *more,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=dict(os.environ),
            )
        except OSError as error:  # processes or files are used up for now
            self._narrate("log.untended", model=self._model, code=None, why=str(error))
            return False
        try:
            said, complained = await process.communicate()
        finally:
            if process.returncode is None:  # we are told to end; a round may be killed at any point
                process.kill()
        if process.returncode:
            why = complained.decode(errors="replace")[-SAID:]
            self._narrate("log.untended", model=self._model, code=process.returncode, why=why)
            return False
        self._tell(msgspec.json.decode(said, type=Report))
        return True

    def _tell(self, report: Report) -> None:
        tally = self._metrics.tally
        if report.rotated or report.dropped:
            self._narrate(
                "log.tended",
                model=self._model,
                rotated=report.rotated,
                rows=report.rows,
                dropped=report.dropped,
                held=report.held,
            )
        tally.add(tally.counter("noria_log_rotated", model=self._model), report.rotated)
        tally.add(tally.counter("noria_log_dropped", model=self._model), report.dropped)
        if report.version is not None:
            self._show(report)

    def _show(self, report: Report) -> None:
        """The label debt of the champion; that of its predecessor is nobody's any more."""
        tally = self._metrics.tally
        for place in self._shown:
            tally.put(place, 0.0)
        self._shown = []
        tally.put(tally.counter("noria_log_held", model=self._model), report.held)
        for group in report.ages:
            for state in STATES:
                place = tally.counter(
                    "noria_labels",
                    model=self._model,
                    version=str(report.version),
                    age="any" if group.upto is None else f"{group.upto:g}",
                    state=state,
                )
                tally.put(place, getattr(group, state))
                self._shown.append(place)
