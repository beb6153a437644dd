"""The training, top to bottom: each step a batch of labelled samples and one of unlabelled ones from the edge."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from edgemodel_distill import device, measure, norm, running, stopping
from edgemodel_distill.checkpoint import Checkpoint
from edgemodel_distill.config import Recipe
from edgemodel_distill.crew import ALONE, Crew
from edgemodel_distill.data import Floats
from edgemodel_distill.errors import NanLoss, Terminated
from edgemodel_distill.losses import Loss, decoupled_loss, distillation_loss, hard_loss, soft_loss
from edgemodel_distill.running import Running
from edgemodel_distill.views import Batch, Material, Views

PREDICT_BATCH = 256


@dataclass(frozen=True, slots=True)
class EpochLosses:
    """Means over one epoch, numbered from 1."""

    epoch: int
    loss: float
    soft: float
    hard: float


AfterEpoch = Callable[[EpochLosses, nn.Module], None]
"""Is told the losses, and shown the network that would ship if this were the last epoch, in evaluation mode."""


def seed_everything(recipe: Recipe) -> None:
    """Make PyTorch repeatable: equal recipes and material give equal weights on one kind of machine.

    On a GPU as far as it can: a student of one's own may have layers that PyTorch has no deterministic gradient for
    there, such as pooling to another size than one, and is warned.
    """
    torch.set_num_threads(recipe.threads)
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())
    torch.manual_seed(recipe.seed)


def train(  # noqa: PLR0913 (what is trained on what, by whom, and who is told)
    student: nn.Module,
    material: Material,
    recipe: Recipe,
    after_epoch: AfterEpoch,
    checkpoint: Checkpoint | None = None,
    *,
    crew: Crew = ALONE,
) -> None:
    """Train `student` in place, leave it on the CPU in evaluation mode; go on from `checkpoint` where that has begun.

    Several workers do the steps of one, each with its part of every batch, and end with the leader's student; only
    the leader's checkpoint and validation samples count.

    Raises:
        NanLoss: the loss stopped being a finite number.
        BadOrder: the recipe wants views that these samples do not have.
        Terminated: SIGTERM came; the checkpoint has every step that was done.
        DistillError: what another worker ended with.
    """
    views = Views(material, recipe, np.random.default_rng(recipe.seed), crew)
    crew.follow(student.to(device.take(crew.rank)))
    now = running.begin(student, views, recipe)
    if checkpoint is not None:
        checkpoint.share(crew)
        checkpoint.resume(now)
    with norm.shared(now.student, crew):
        while now.place.epoch <= recipe.epochs and not _is_stale(now, recipe):
            losses = _epoch(now, recipe, checkpoint)
            if material.validation is not None:
                answers = predict(now.result, material.validation.inputs)
                now.best.compare(measure.accuracy(answers, material.validation.labels), losses.epoch, now.result)
            after_epoch(losses, now.result.eval())
            _save(now, checkpoint)
    student.load_state_dict(now.best.weights or now.result.state_dict())
    crew.follow(student)
    student.cpu().eval()


def predict(student: nn.Module, inputs: Floats) -> Floats:
    """The student's logits (N, classes) for `inputs` (N, *shape), in evaluation mode."""
    student.eval()
    where = device.of(student)
    with torch.no_grad():
        parts = [student(part.to(where)).cpu() for part in torch.split(torch.from_numpy(inputs), PREDICT_BATCH)]
    logits: Floats = torch.cat(parts).numpy()
    return logits


def _is_stale(now: Running, recipe: Recipe) -> bool:
    return now.crew.hear(flag=now.best.is_stale(now.place.epoch, recipe.method.patience))


def _save(now: Running, checkpoint: Checkpoint | None) -> None:
    if checkpoint is not None and now.crew.leads:
        checkpoint.save(now)


def _epoch(now: Running, recipe: Recipe, checkpoint: Checkpoint | None) -> EpochLosses:
    """The rest of the epoch in which the training is."""
    epoch = now.place.epoch
    now.student.train()
    with stopping.gently() as stop:
        while now.place.step < now.views.labelled.batches:
            _step(now, recipe)
            if now.crew.anyone(flag=stop.asked):
                _save(now, checkpoint)
                raise Terminated
    now.student.eval()
    return EpochLosses(epoch, *now.place.turn())


def _step(now: Running, recipe: Recipe) -> None:
    _seed(now, recipe)
    where = device.of(now.student)
    batch = now.views.next().to(where)
    with device.mixed_precision(where):
        logits, batch = _everyone(now.student(batch.inputs).float(), batch, now.crew)
        loss = _loss(logits, batch, _alpha(now, recipe), recipe)
    if not torch.isfinite(loss.total):
        raise NanLoss(
            f"epoch {now.place.epoch}: the loss is {loss.total.item()}; lower the learning rate, or check the data"
        )
    now.optimizer.zero_grad()
    loss.total.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    now.crew.add_gradients(now.student)
    now.optimizer.step()
    now.schedule.step()
    if now.average is not None:
        now.average.update_parameters(now.student)
    now.place.add(loss)


def _seed(now: Running, recipe: Recipe) -> None:
    """Several workers drop out different units, and the same ones again when the training goes on after a stop.

    So does a GPU, whose generator is not in the checkpoint.
    """
    if now.crew.size > 1 or device.of(now.student).type == "cuda":
        place = (recipe.seed, now.crew.rank, now.place.epoch, now.place.step)
        torch.manual_seed(int(np.random.SeedSequence(place).generate_state(1)[0]))


def _everyone(logits: torch.Tensor, batch: Batch, crew: Crew) -> tuple[torch.Tensor, Batch]:
    """The logits and targets of all rows of the batch: every worker computes the loss of all, and so the same one."""
    if crew.size == 1 or batch.targets is None:
        return crew.whole(logits, batch.rows, batch.count), batch
    both = crew.whole(torch.cat([logits, batch.targets], dim=1), batch.rows, batch.count)
    logits, targets = torch.split(both, logits.shape[1], dim=1)
    return logits, replace(batch, targets=targets.detach())


def _alpha(now: Running, recipe: Recipe) -> float:
    """The soft part's weight: a decoupled loss is large, and rises with the learning rate (Zhao et al., 2022)."""
    if recipe.method.loss == "Plain":
        return recipe.alpha
    progress = now.place.progress(now.views.labelled.batches, recipe.epochs)
    return recipe.alpha * running.rise(progress, recipe.method)


def _loss(logits: torch.Tensor, batch: Batch, alpha: float, recipe: Recipe) -> Loss:
    if batch.targets is None:
        return hard_loss(logits[: len(batch.labels)], batch.labels)
    soft = decoupled_loss if recipe.method.loss == "Decoupled" else soft_loss
    return distillation_loss(
        logits, batch.targets, batch.labels, temperature=recipe.temperature, alpha=alpha, soft=soft
    )
