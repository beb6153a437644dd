"""A model served by KServe's Python server: ``python kserve_server.py MODEL PORT``."""

import logging
import sys

import numpy as np
import onnxruntime
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelRepository, ModelServer


class Perceptron(Model):
    """Answers both protocols, as KServe's documentation writes a custom model."""

    def __init__(self, path: str) -> None:
        super().__init__("bench")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.ready = True

    def predict(self, payload, headers=None, response_headers=None):  # noqa: ANN001, ANN201 (KServe's signature)
        if isinstance(payload, InferRequest):
            (answer,) = self.session.run(None, {"x": payload.inputs[0].as_numpy()})
            output = InferOutput("y", list(answer.shape), "FP32")
            output.set_data_from_numpy(answer, binary_data=False)
            return InferResponse(payload.id or "0", "bench", [output])
        (answer,) = self.session.run(None, {"x": np.asarray(payload["instances"], dtype=np.float32)})
        return {"predictions": answer.tolist()}


class Repository(ModelRepository):
    """Opens the file anew when it is told to, as KServe's own servers do."""

    def load(self, name) -> bool:  # noqa: ANN001 (KServe's signature)
        self.update(Perceptron(sys.argv[1]))
        return True


if __name__ == "__main__":
    logging.disable(logging.INFO)
    server = ModelServer(
        http_port=int(sys.argv[2]), enable_grpc=False, workers=1, access_log_format=None, registered_models=Repository()
    )
    server.start([Perceptron(sys.argv[1])])
