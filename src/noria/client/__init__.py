"""What a notebook sees: runs and versions as plain objects and polars tables, read from the store itself.

In come a model's name and a project; out go stored objects, figures, logs and cards, fresh at each look.
It refuses to change anything: it creates, migrates and locks nothing, and needs no server.
"""

from noria.client.monitor_list import Monitors, monitors
from noria.client.prediction_list import predictions
from noria.client.run_list import Runs, runs
from noria.client.version_list import Versions, versions

__all__ = ["Monitors", "Runs", "Versions", "monitors", "predictions", "runs", "versions"]
