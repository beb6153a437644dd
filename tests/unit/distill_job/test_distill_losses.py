"""The loss against a reference in plain numpy."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edgemodel_distill.losses import distillation_loss, hard_loss, soft_loss

ROWS, LABELLED, CLASSES = 7, 4, 5


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def reference_soft(student: np.ndarray, teacher: np.ndarray, temperature: float) -> float:
    p, q = softmax(teacher / temperature), softmax(student / temperature)
    return temperature**2 * float(np.mean(np.sum(p * (np.log(p) - np.log(q)), axis=1)))


def reference_hard(student: np.ndarray, labels: np.ndarray) -> float:
    return float(-np.mean(np.log(softmax(student)[np.arange(len(labels)), labels])))


def logits(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 3, (ROWS, CLASSES))


@given(st.integers(0, 1000), st.floats(0.5, 20), st.floats(0, 1))
def test_loss_is_alpha_soft_and_one_minus_alpha_hard_on_labelled_rows_plus_alpha_soft_on_the_rest(
    seed: int, temperature: float, alpha: float
) -> None:
    student, teacher, labels = logits(seed), logits(seed + 1), np.arange(LABELLED)
    soft = reference_soft(student[:LABELLED], teacher[:LABELLED], temperature)
    extra = reference_soft(student[LABELLED:], teacher[LABELLED:], temperature)
    wanted = alpha * (soft + extra) + (1 - alpha) * reference_hard(student[:LABELLED], labels)
    tensors = torch.from_numpy(student), torch.from_numpy(teacher), torch.from_numpy(labels)
    assert distillation_loss(*tensors, temperature=temperature, alpha=alpha).total.item() == pytest.approx(wanted)


def test_without_edge_samples_the_loss_is_that_of_the_labelled_rows() -> None:
    student, teacher, labels = logits(1), logits(2), np.zeros(ROWS, np.int64)
    wanted = 0.7 * reference_soft(student, teacher, 4.0) + 0.3 * reference_hard(student, labels)
    tensors = torch.from_numpy(student), torch.from_numpy(teacher), torch.from_numpy(labels)
    assert distillation_loss(*tensors, temperature=4.0, alpha=0.7).total.item() == pytest.approx(wanted)


def test_a_student_that_answers_like_the_teacher_has_no_soft_loss() -> None:
    same = torch.from_numpy(logits(3))
    assert soft_loss(same, same, 4.0).item() == pytest.approx(0, abs=1e-9)


def test_the_gradient_keeps_its_size_when_the_temperature_doubles() -> None:
    """Why the soft loss carries the factor T squared."""
    sizes = []
    for temperature in (20.0, 40.0):
        student = torch.from_numpy(logits(4)).requires_grad_()
        soft_loss(student, torch.from_numpy(logits(5)), temperature).backward()
        sizes.append(student.grad.norm().item())
    assert sizes[0] == pytest.approx(sizes[1], rel=0.1)


def test_without_a_teacher_only_cross_entropy_is_left() -> None:
    student, labels = logits(6), np.arange(ROWS) % CLASSES
    loss = hard_loss(torch.from_numpy(student), torch.from_numpy(labels))
    assert loss.total.item() == pytest.approx(reference_hard(student, labels))
