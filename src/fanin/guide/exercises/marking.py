"""Mark an answer: is the cause right, and does the fixed network train?"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fanin.diagnosis import Report, check
from fanin.ensembles.isolation import isolated
from fanin.errors import InputError
from fanin.guide.exercises.answer import Answer, Asking
from fanin.guide.exercises.catalogue import number_of
from fanin.guide.exercises.exercise import Exercise
from fanin.guide.exercises.tasks import Examples
from fanin.guide.exercises.training import Trained, train
from fanin.observation.values import plain

SCHEMA = "fanin.marking/1"
_CHECKED = 128  # examples in the batch that fanin.check sees


@dataclass(frozen=True, slots=True)
class Marking:
    """What an answer came to.

    Args:
        exercise: which.
        answer: what was handed in.
        broken: the network as it was, trained on each seed.
        fixed: the same with the fix; empty where it was refused.
        report: what ``fanin.check`` says of the fixed network of the first seed, untrained.
        refusal: why the fix does not count, as the end of a sentence; None if it does.
    """

    exercise: Exercise
    answer: Answer
    broken: tuple[Trained, ...]
    fixed: tuple[Trained, ...]
    report: Report | None
    refusal: str | None

    @property
    def cause_is_right(self) -> bool:
        """Whether the cause was named."""
        return self.answer.cause == self.exercise.cause

    @property
    def trains(self) -> bool:
        """Whether the fix counts and every seed reaches the mark."""
        return (
            self.refusal is None
            and bool(self.fixed)
            and all(self.exercise.reached(one.score) for one in self.fixed)
        )

    @property
    def passed(self) -> bool:
        """Whether both the cause and the fix are right."""
        return self.cause_is_right and self.trains

    @property
    def on_the_cause(self) -> str:
        """One sentence on the cause that was named."""
        given = self.answer.cause
        if self.cause_is_right:
            return f"{given} is the cause."
        if given in self.exercise.effects:
            return f"{given} is not the cause: {self.exercise.effects[given]}"
        return f"{given} is not the cause."

    @property
    def on_the_fix(self) -> str:
        """One sentence on the fix."""
        if self.refusal is not None:
            return f"The fix does not count: {self.refusal}."
        good = sum(self.exercise.reached(one.score) for one in self.fixed)
        seeds = f"{good} of {len(self.fixed)} seeds"
        return f"The fixed network {'trains' if self.trains else 'falls short'}: {seeds} pass."

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values; numbers that are not finite become strings."""
        return {
            "schema": SCHEMA,
            "exercise": self.exercise.name,
            "number": number_of(self.exercise.name),
            "passed": self.passed,
            "cause": self.answer.cause,
            "cause_is_right": self.cause_is_right,
            "on_the_cause": self.on_the_cause,
            "trains": self.trains,
            "on_the_fix": self.on_the_fix,
            "refusal": self.refusal,
            "score": self.exercise.task.score,
            "mark": self.exercise.mark,
            "broken": [trained_to_dict(one) for one in self.broken],
            "fixed": [trained_to_dict(one) for one in self.fixed],
            "check": None
            if self.report is None
            else {
                "verdict": self.report.verdict,
                "findings": [finding.to_dict() for finding in self.report.findings],
            },
        }


def trained_to_dict(trained: Trained) -> dict[str, Any]:
    """JSON-ready values of one training; numbers that are not finite become strings."""
    values = asdict(trained)
    losses = values.pop("losses")
    return {
        **{name: plain(value) for name, value in values.items()},
        "losses": [plain(loss) for loss in losses],
    }


def train_broken(exercise: Exercise, seed: int = 0) -> Trained:
    """Train the broken network as it is."""
    with isolated():
        return train(exercise, exercise.draw(seed), seed, exercise.task.examples())


def mark(exercise: Exercise, file: str | Path) -> Marking:
    """Run the answer in a file, train what it fixed beside what was broken, and judge both.

    Only values are taken from the answer: they are loaded into the exercise's own network, and
    that is trained. A network that knows the answers before its first step is refused, for its
    weights were not drawn but trained.

    Raises:
        InputError: the file cannot be read, its code raises, it names no cause or no function.
    """
    broken = []
    with Asking(exercise, Path(file)) as asking:
        for seed in exercise.training.seeds:
            broken.append(train_broken(exercise, seed))
            if asking.ended:
                asking.answer()  # a mistake is told before the rest is trained
        answer = asking.answer()
    return judge(exercise, answer, tuple(broken))


def judge(exercise: Exercise, answer: Answer, broken: tuple[Trained, ...]) -> Marking:
    """Train what the answer fixed, and compare.

    Args:
        exercise: which.
        answer: what was handed in.
        broken: the network as it was, trained on each seed.

    Raises:
        InputError: the answer's values do not fit the network.
    """
    refused, examples = answer.refusal, exercise.task.examples()
    if refused is None and answer.made == "prepare":
        refused = _not_one_map(examples, answer.values)
        examples = replace(examples, **answer.values) if refused is None else examples
    if refused is not None:
        return Marking(exercise, answer, broken, (), None, refused)
    fixed, report = [], None
    with isolated():
        for seed in exercise.training.seeds:
            model = exercise.draw(seed)
            if answer.made != "prepare":
                _take(model, answer.of_seed(seed))
            report = report or _checked(exercise, model, examples)
            fixed.append(train(exercise, model, seed, examples))
    if any(exercise.task.is_informed(one.first_score) for one in fixed):
        refused = (
            f"before its first step its {exercise.task.score} on held-out data is "
            f"{fixed[0].first_score:.3g}; a fix draws weights, it does not train them"
        )
    return Marking(exercise, answer, broken, tuple(fixed), report, refused)


def _take(model: nn.Module, values: dict[str, Tensor]) -> None:
    """Load the answer's values; those that are frozen stay as they are.

    Raises:
        InputError: they do not fit the network.
    """
    frozen = {
        name
        for name, one in model.named_parameters(remove_duplicate=False)
        if not one.requires_grad
    }
    own = {name: value.clone() for name, value in model.state_dict().items() if name in frozen}
    try:
        model.load_state_dict({**values, **own})
    except RuntimeError as error:
        raise InputError(f"the answer's values do not fit the network: {error}") from None


def _checked(exercise: Exercise, model: nn.Module, examples: Examples) -> Report:
    return check(
        model, examples.x_train[:_CHECKED], examples.y_train[:_CHECKED], loss=exercise.task.loss
    )


def _not_one_map(examples: Examples, prepared: dict[str, Tensor]) -> str | None:
    """Why prepared inputs are not each pixel shifted and scaled, all examples alike."""
    for part in ("x_train", "x_test"):
        old, new = getattr(examples, part), prepared[part]
        if new.shape != old.shape or new.dtype != old.dtype:
            return (
                f"prepare(x) makes {tuple(new.shape)} of {new.dtype} from {tuple(old.shape)} of "
                f"{old.dtype}; shape and type have to stay"
            )
        if not new.isfinite().all():
            return "prepare(x) makes Inf or NaN"
    x, y = examples.x_train.double(), prepared["x_train"].double()
    mean, centred = x.mean(0), x - x.mean(0)
    slope = (centred * (y - y.mean(0))).sum(0) / centred.square().sum(0).clamp_min(1e-12)
    spread = float(y.std()) or 1.0
    for old, new in ((x, y), (examples.x_test.double(), prepared["x_test"].double())):
        expected = y.mean(0) + slope * (old - mean)
        # Pixels that are constant in the training part have no slope to be known.
        known = centred.abs().amax(0) > 0
        if float((new - expected)[:, known].abs().max()) > 1e-3 * spread * _range(x):
            return (
                "prepare(x) must shift and scale each pixel, by the same numbers for every "
                "example; take them from the training part or write them down"
            )
    return None


def _range(x: Tensor) -> float:
    """How far the inputs reach, in their own std: the tolerance grows with it."""
    return float((x - x.mean()).abs().max() / x.std().clamp_min(torch.finfo(x.dtype).tiny))
