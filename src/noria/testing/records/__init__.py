"""Contract suites for the doors of `noria.ports.records`.

A back end's test class inherits a suite and gives the fixture `records`: an open, empty store with the attributes
`ledger, runs, versions, monitors, rollouts, outbox, feedback, services`. `SharedRecordsContract` wants the fixture `opening`
besides.
"""

from noria.testing.records.alarms import AlarmRecordsContract
from noria.testing.records.doors import Doors
from noria.testing.records.feedback import FeedbackRecordsContract
from noria.testing.records.ledger import LedgerContract
from noria.testing.records.monitors import MonitorRecordsContract
from noria.testing.records.rollouts import RolloutRecordsContract
from noria.testing.records.runs import RunRecordsContract
from noria.testing.records.services import ServiceRecordsContract
from noria.testing.records.shared import SharedRecordsContract
from noria.testing.records.tokens import TokenRecordsContract
from noria.testing.records.versions import VersionRecordsContract

__all__ = [
    "AlarmRecordsContract",
    "Doors",
    "FeedbackRecordsContract",
    "LedgerContract",
    "MonitorRecordsContract",
    "RolloutRecordsContract",
    "RunRecordsContract",
    "ServiceRecordsContract",
    "SharedRecordsContract",
    "TokenRecordsContract",
    "VersionRecordsContract",
]
