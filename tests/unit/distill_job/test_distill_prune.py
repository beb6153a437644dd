"""Pruning takes channels out; what is left computes what it computed before."""

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from edgemodel_distill import students
from edgemodel_distill.errors import BadOrder
from edgemodel_distill.export import to_onnx
from edgemodel_distill.prune import multiplications, prune
from edgemodel_distill.train import predict

KINDS = [
    ("mlp", 16, (5,)),
    ("tiny-cnn", 8, (1, 28, 28)),
    ("separable", 8, (3, 20, 20)),
    ("resnet8", 8, (1, 8, 8)),
    ("resnet20", 4, (1, 16, 16)),
]


def student(architecture: str, width: int, shape: tuple[int, ...]) -> nn.Module:
    """One whose batch norms have seen something."""
    torch.manual_seed(0)
    network = students.build(architecture, width, shape, 3)
    network.train()
    for _ in range(3):
        network(torch.randn(16, *shape))
    return network.eval()


@pytest.mark.parametrize(("architecture", "width", "shape"), KINDS)
@pytest.mark.parametrize("share", [0.3, 0.6])
def test_so_many_multiplications_are_gone_and_the_rest_runs_in_onnx_runtime(
    architecture: str, width: int, shape: tuple[int, ...], share: float
) -> None:
    whole = student(architecture, width, shape)
    smaller = prune(whole, share, shape)
    assert multiplications(smaller, shape) <= (1 - share) * multiplications(whole, shape)
    inputs = np.random.default_rng(0).random((4, *shape), np.float32)
    session = onnxruntime.InferenceSession(to_onnx(smaller, shape), providers=["CPUExecutionProvider"])
    assert session.run(None, {"input": inputs})[0] == pytest.approx(predict(smaller, inputs), abs=1e-4)
    assert sum(w.numel() for w in smaller.parameters()) < sum(w.numel() for w in whole.parameters())


@pytest.mark.parametrize(("architecture", "width", "shape"), KINDS)
def test_channels_that_do_nothing_go_first_and_are_not_missed(
    architecture: str, width: int, shape: tuple[int, ...]
) -> None:
    whole = student(architecture, width, shape)
    for maker in (layer for layer in whole.modules() if isinstance(layer, nn.BatchNorm2d)):
        maker.weight.data[::2] = 0
        maker.bias.data[::2] = 0
        maker.running_mean[::2] = 0
    for layer in (layer for layer in whole.modules() if isinstance(layer, nn.Linear) and layer.out_features > 3):
        layer.weight.data[::2] = 0
        layer.bias.data[::2] = 0
    inputs = np.random.default_rng(0).random((4, *shape), np.float32)
    assert predict(prune(whole, 0.4, shape), inputs) == pytest.approx(predict(whole, inputs), abs=1e-4)


def test_wide_layers_keep_whole_blocks_of_eight_channels_for_the_fast_convolutions() -> None:
    smaller = prune(student("tiny-cnn", 16, (1, 28, 28)), 0.5, (1, 28, 28))
    assert [layer.out_channels for layer in smaller if isinstance(layer, nn.Conv2d)] == [8, 24, 48]


def test_the_student_itself_stays_whole() -> None:
    whole = student("tiny-cnn", 8, (1, 28, 28))
    before = students.weights(whole)
    prune(whole, 0.5, (1, 28, 28))
    assert students.weights(whole) == before


def test_multiplications_of_a_convolution_and_a_dense_layer() -> None:
    network = nn.Sequential(nn.Conv2d(2, 5, 3, padding=1), nn.Flatten(), nn.Linear(5 * 4 * 4, 7))
    assert multiplications(network, (2, 4, 4)) == 5 * 4 * 4 * 2 * 9 + 5 * 4 * 4 * 7


@pytest.mark.parametrize("network", [nn.Linear(4, 2), nn.Sequential(nn.Linear(4, 2))], ids=["no chain", "one layer"])
def test_a_student_with_nothing_to_take_out_says_so(network: nn.Module) -> None:
    with pytest.raises(BadOrder, match=r"compress\.prune: this student cannot lose 50%"):
        prune(network, 0.5, (4,))
