"""What is done to a trained student, done to a fresh one first: better told now than after hours of training."""

import numpy as np
import onnxruntime

from edgemodel.distillation import Order
from edgemodel_distill import compress, export, own, prune, students
from edgemodel_distill.classifier import Classifier
from edgemodel_distill.export import INPUT

_ROWS = 3
"""A batch of another size than the one that is exported with."""


def rehearse(order: Order, teacher: Classifier) -> None:
    """Build the student that `order` wants, prune it, and put one's own into every form that is asked for.

    Raises:
        BadOrder: names the field, and what went wrong.
    """
    name, shape = order.student.architecture, teacher.input_shape
    network = students.build(name, order.student.width, shape, teacher.classes)
    if order.compress.prune:
        prune.prune(network, order.compress.prune, shape)
    if not own.is_own(name):
        return
    with own.blaming(name, "want a state of tensors, none of them shared"):
        students.weights(network)
    with own.blaming(name, "exported to ONNX"):
        model = export.to_onnx(network, shape)
    inputs = np.random.default_rng(0).random((_ROWS, *shape), np.float32)
    with own.blaming(name, f"with quantize {order.compress.quantize} as ONNX"):
        for form in compress.forms(model, order.compress.quantize, inputs):
            session = onnxruntime.InferenceSession(form.model, providers=["CPUExecutionProvider"])
            answer = session.run(None, {INPUT: inputs})[0]
            if answer.shape != (_ROWS, teacher.classes):
                raise ValueError(f"{form.name} answers {answer.shape} to a batch of {_ROWS}: is 2 in its code?")
