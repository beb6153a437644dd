"""Distillation in twenty plain lines: what the Job's training must agree with."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from edgemodel_distill.config import Recipe
from edgemodel_distill.data import Floats, Labels


def distil(student: nn.Module, inputs: Floats, labels: Labels, targets: Floats, recipe: Recipe) -> None:
    """Adam, cosine, alpha * T² * KL + (1 - alpha) * cross entropy; no views, no checkpoint."""
    torch.manual_seed(recipe.seed)
    random = np.random.default_rng(recipe.seed)
    optimizer = torch.optim.Adam(student.parameters(), lr=recipe.learning_rate)
    steps = len(inputs) // recipe.batch_size
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs * steps)
    x, y, z = torch.from_numpy(inputs), torch.from_numpy(labels), torch.from_numpy(targets)
    temperature = recipe.temperature
    student.train()
    for _ in range(recipe.epochs):
        for rows in np.array_split(random.permutation(len(inputs)), steps):
            logits = student(x[rows])
            ours, theirs = (functional.log_softmax(one / temperature, dim=1) for one in (logits, z[rows]))
            soft = temperature**2 * functional.kl_div(ours, theirs, reduction="batchmean", log_target=True)
            loss = recipe.alpha * soft + (1 - recipe.alpha) * functional.cross_entropy(logits, y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    student.eval()
