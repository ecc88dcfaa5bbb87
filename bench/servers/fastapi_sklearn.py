"""What many teams write by hand: FastAPI, a joblib file, the model's own predict.

python fastapi_sklearn.py MODEL COLUMNS METHOD:COLUMN         on stdout: the port
"""

import socket
import sys

import joblib
import numpy as np
import uvicorn
from fastapi import FastAPI
from pydantic import create_model

MODEL = joblib.load(sys.argv[1])
COLUMNS = sys.argv[2].split(",")
METHOD, CHOSEN = sys.argv[3].split(":")
Row = create_model("Row", **dict.fromkeys(COLUMNS, (float, ...)))
Rows = create_model("Rows", rows=(list[Row], ...))
app = FastAPI()


def answers(rows):
    table = np.array([[getattr(row, name) for name in COLUMNS] for row in rows])
    made = getattr(MODEL, METHOD)(table)
    return made[:, int(CHOSEN)] if CHOSEN else made


@app.post("/predict")
def predict(row: Row):
    return {"answer": float(answers([row])[0])}


@app.post("/rows")
def several(rows: Rows):
    return {"answers": answers(rows.rows).tolist()}


bound = socket.socket()
bound.bind(("127.0.0.1", 0))
print(bound.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[bound])
