"""Train one network for an exercise and measure what it reached."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fanin.ensembles.isolation import borrowed, isolated
from fanin.guide.exercises.exercise import Exercise
from fanin.guide.exercises.tasks import Examples
from fanin.noise import Stream


@dataclass(frozen=True, slots=True)
class Trained:
    """What one training came to.

    Args:
        seed: of the weights and the batches.
        start: loss on the training part before the first step.
        end: the same after the last step.
        first_score: held-out score before the first step.
        score: held-out score after the last step.
        losses: of each step's batch.
    """

    seed: int
    start: float
    end: float
    first_score: float
    score: float
    losses: tuple[float, ...]


def train(exercise: Exercise, model: nn.Module, seed: int, examples: Examples) -> Trained:
    """Train the model in place on one thread; global generators are as before afterwards.

    Args:
        exercise: says how, and what the score is.
        model: its network, with the weights to start from.
        seed: of the batches and of whatever the network itself draws.
        examples: the data, which may be those of the task with other inputs.
    """
    how = exercise.training
    trained = [one for one in model.parameters() if one.requires_grad]
    optimizer = _optimizer(how.optimizer, trained, how.learning_rate)
    losses = []
    with isolated(), borrowed(seed, "training"):
        batches = torch.Generator().manual_seed(_number(seed, "batches"))
        model.train()
        start, first_score = _measured(exercise, model, examples)
        for _ in range(how.steps):
            chosen = torch.randint(len(examples.x_train), (how.batch_size,), generator=batches)
            optimizer.zero_grad(set_to_none=True)
            loss = exercise.task.loss(model(examples.x_train[chosen]), examples.y_train[chosen])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(float(loss.detach()))
        end, score = _measured(exercise, model, examples)
    return Trained(seed, start, end, first_score, score, tuple(losses))


def _number(seed: int, name: str) -> int:
    return int(Stream(seed, name).words[0])


def _optimizer(
    name: str, parameters: list[nn.Parameter], learning_rate: float
) -> torch.optim.Optimizer:
    if name == "SGD":
        return torch.optim.SGD(parameters, lr=learning_rate)
    return torch.optim.Adam(parameters, lr=learning_rate)


def _measured(exercise: Exercise, model: nn.Module, examples: Examples) -> tuple[float, float]:
    """Loss on the training part and score on the held-out part."""
    with torch.no_grad():
        loss = exercise.task.loss(_outputs(model, examples.x_train), examples.y_train)
        score = exercise.task.scored(_outputs(model, examples.x_test), examples.y_test)
    return float(loss), score


def _outputs(model: nn.Module, inputs: Tensor) -> Tensor:
    result = model(inputs)
    assert isinstance(result, Tensor)  # noqa: S101 - for the type checker
    return result
