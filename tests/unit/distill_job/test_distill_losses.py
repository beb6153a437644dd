"""The loss against a reference in plain numpy."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edgemodel_distill.losses import NON_TARGET_WEIGHT, decoupled_loss, distillation_loss, hard_loss, soft_loss

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


def reference_decoupled(student: np.ndarray, teacher: np.ndarray, temperature: float) -> float:
    """Zhao et al., 2022, equations 3 to 7, row by row."""
    total = 0.0
    for ours, theirs in zip(softmax(student / temperature), softmax(teacher / temperature), strict=True):
        target = theirs.argmax()
        ours_rest, theirs_rest = np.delete(ours, target), np.delete(theirs, target)
        binary = sum(
            p * np.log(p / q) for p, q in ((theirs[target], ours[target]), (theirs_rest.sum(), ours_rest.sum()))
        )
        p, q = theirs_rest / theirs_rest.sum(), ours_rest / ours_rest.sum()
        total += binary + NON_TARGET_WEIGHT * np.sum(p * np.log(p / q))
    return temperature**2 * total / len(student)


@given(st.integers(0, 1000), st.floats(0.5, 20))
def test_the_decoupled_loss_is_that_of_its_paper(seed: int, temperature: float) -> None:
    student, teacher = logits(seed), logits(seed + 1)
    loss = decoupled_loss(torch.from_numpy(student), torch.from_numpy(teacher), temperature)
    assert loss.item() == pytest.approx(reference_decoupled(student, teacher, temperature))


def test_the_decoupled_loss_has_finite_gradients_where_the_teacher_is_sure() -> None:
    student = torch.zeros(1, CLASSES, requires_grad=True)
    decoupled_loss(student, torch.tensor([[500.0, 0, 0, 0, 0]]), 1.0).backward()
    assert student.grad.isfinite().all()
