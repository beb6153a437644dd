"""FastAPI written the obvious way: ``python naive_server.py MODEL PORT``."""

import sys

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])


class Question(BaseModel):
    instances: list[list[float]]


@app.post("/predict")
def predict(question: Question) -> dict[str, list[list[float]]]:
    (answer,) = session.run(None, {"x": np.asarray(question.instances, dtype=np.float32)})
    return {"predictions": answer.tolist()}


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[2]), access_log=False, log_level="warning")
