"""PyTorch to ONNX."""

import io
import warnings

import onnx
import torch
from torch import nn

INPUT, OUTPUT = "input", "logits"
OPSET = 17
"""Old enough for the ONNX Runtime of any node that is still in use."""


def to_onnx(student: nn.Module, input_shape: tuple[int, ...]) -> bytes:
    """The student as a checked ONNX file: `input` (batch, *input_shape) to `logits` (batch, classes), any batch.

    This is the exporter that traces: it is in every PyTorch from Debian's 2.6 to the present one, gives the same plain
    graph (batch norm folded) in all of them, and needs no further package. The newer exporter needs an onnxscript that
    fits the PyTorch at hand.
    """
    student.eval()
    buffer = io.BytesIO()
    batch = {0: "batch"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            student,
            (torch.zeros(2, *input_shape),),
            buffer,  # type: ignore[arg-type,unused-ignore]  # a binary file will do; the annotation asks for a path
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: batch, OUTPUT: batch},
            opset_version=OPSET,
            dynamo=False,
        )
    model = buffer.getvalue()
    onnx.checker.check_model(model, full_check=True)
    return model
