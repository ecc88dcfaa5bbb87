"""MLServer with its runtime for scikit-learn, which collects requests of a few milliseconds into batches.

python mlserver_sklearn.py MODEL COLUMNS METHOD:COLUMN         on stdout: the port
"""

import json
import os
import shutil
import socket
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

MODEL = {
    "name": "tumours",
    "implementation": "mlserver_sklearn.SKLearnModel",
    "parameters": {"uri": "./model.joblib"},
    "max_batch_size": 64,
    "max_batch_time": 0.005,
}


def free_ports(count):
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


folder = Path(tempfile.mkdtemp(prefix="mlserver-"))
shutil.copy(sys.argv[1], folder / "model.joblib")
http, grpc, metrics = free_ports(3)
ports = {"http_port": http, "grpc_port": grpc, "metrics_port": metrics, "metrics_dir": str(folder)}
(folder / "settings.json").write_text(
    json.dumps({"host": "127.0.0.1", "debug": False, "parallel_workers": 1, **ports})
)
(folder / "model-settings.json").write_text(json.dumps(MODEL))
print(http, flush=True)
os.chdir(folder)
program = Path(sys.executable).with_name("mlserver")
os.execv(program, [program, "start", "."])
