"""For each promise recipes that break it, and the words in which it is told."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import attrs
import pytest
import torch
from torch import Tensor, nn

import fanin
from fanin.errors import InputError, ModelError
from fanin.fans import Layout
from fanin.recipes import Anatomy, ObservedRecipe, OneScheme, Plan, Row
from fanin.schemes import normal
from fanin.testing import Example, check_recipe
from fanin.testing.case import global_states
from fanin.testing.examples import usual
from fanin.testing.recipe_contract import PROMISES

BY_NAME = {one.name: one for one in usual()}
MLP, LSTM = BY_NAME["perceptron"], BY_NAME["LSTM"]
FROZEN = BY_NAME["perceptron with a frozen layer"]
NORMED = BY_NAME["residual network with batch norm"]


def assert_broken(
    recipe: Any, duty: str, measured: str, models: tuple[Example, ...] = (MLP,)
) -> None:
    with pytest.raises(AssertionError) as failure:
        check_recipe(recipe, models=models)
    message = str(failure.value)
    assert f"must {duty}" in message, message
    assert re.search(measured, message), message
    assert "; " in message, f"no remedy in {message}"


@attrs.frozen(repr=False)
class Right(ObservedRecipe):
    """N(0, 0.1) on every weight; broken recipes below change one thing."""

    name = "right"
    rule = "N(0, 0.1)"
    use = "a test"
    citation = "Nobody. How to begin. 2024"

    def rows(self, anatomy: Anatomy) -> tuple[Row, ...]:
        return anatomy.rows(lambda use: (normal(std=0.1), "as right has it"), source=self.citation)


class Changed(Right):
    """What differs is made of the right plan."""

    def plan(self, model, inputs=None, targets=None, *, loss=None, seed=0):
        made = super().plan(model, inputs, targets, loss=loss, seed=seed)
        return self.change(made, model)

    def change(self, plan: Plan, model: nn.Module) -> Any:
        return plan


@dataclass(frozen=True)
class Plain:
    """The protocol alone: no class of fanin's, the model without a pass."""

    std: float = 0.1

    def plan(self, model: nn.Module) -> Plan:
        return OneScheme(normal(std=self.std)).plan(model)


def test_a_right_recipe_passes_and_says_where_it_applies():
    assert check_recipe(Right()) == tuple(one.name for one in usual())
    assert check_recipe(Plain(), models=[MLP, FROZEN, LSTM]) == (MLP.name, FROZEN.name, LSTM.name)


def test_the_surroundings_are_as_before():
    before = global_states()
    check_recipe(Right(), models=[MLP])
    assert global_states() == before
    with pytest.raises(AssertionError):
        check_recipe(SeedsTorch(), models=[MLP])
    assert global_states() == before


def test_models_of_ones_own():
    def build() -> nn.Module:
        return nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 1))

    own = Example("mine", build, torch.randn(5, 6), torch.randn(5, 1), nn.MSELoss())
    assert check_recipe("he_normal", models=[own]) == ("mine",)
    keyword = Example("mine", build, {"input": torch.randn(5, 6)})
    assert check_recipe("auto", models=[keyword]) == ("mine",)


@pytest.mark.parametrize(
    ("recipe", "models", "message"),
    [
        (Right, None, "is a class; call it"),
        (3, None, "a recipe is a name"),
        ("rihgt", None, "no recipe is called 'rihgt'"),
        (Right(), [], "models must be fanin.testing.Example"),
        (Right(), [nn.Linear(2, 2)], "models must be fanin.testing.Example"),
    ],
)
def test_what_cannot_be_checked(recipe, models, message):
    with pytest.raises(InputError, match=message):
        check_recipe(recipe, models=models)


# What a plan says


class Forgets(Changed):
    def change(self, plan, model):
        return replace(plan, rows=plan.rows[:-1])


class Doubles(Changed):
    def change(self, plan, model):
        return replace(plan, kept=(plan.rows[0].parameter,))


class Invents(Changed):
    def change(self, plan, model):
        return replace(plan, unmatched=("ghost",))


class NoPlan(Changed):
    def change(self, plan, model):
        return plan.rows


class WrongShape(Changed):
    def change(self, plan, model):
        first, *others = plan.rows
        return replace(plan, rows=(replace(first, shape=(1, 2)), *others))


class Silent(Changed):
    def change(self, plan, model):
        return plan.replaced([replace(plan.rows[0], reason=" ")])


@dataclass(frozen=True)
class Uncited:
    """A scheme that cites nothing."""

    citation = ""

    def std(self, layout: Layout | None = None) -> float:
        return 0.1

    def init_(
        self, tensor: Tensor, *, seed: int = 0, name: str = "", layout: Layout | None = None
    ) -> Tensor:
        return normal(std=0.1).init_(tensor, seed=seed, name=name, layout=layout)


class CitesNothing(Changed):
    def change(self, plan, model):
        return replace(
            plan.replaced([replace(plan.rows[0], scheme=Uncited(), source="")]), source=""
        )


class TwoLines(Right):
    def __str__(self) -> str:
        return "two\nlines"


ONCE = "make a Plan that names every parameter once"
SAID = [
    (Forgets(), ONCE, "'6.bias' is in it 0 times"),
    (Doubles(), ONCE, "'0.weight' is in it 2 times"),
    (Invents(), ONCE, "it names 'ghost', which the model has not"),
    (NoPlan(), ONCE, "plan returned a tuple"),
    (WrongShape(), ONCE, r"'0.weight' has shape \(16, 12\), in it \(1, 2\)"),
    (Silent(), "give a reason of one line and a citation", "the reason of '0.weight' is ' '"),
    (CitesNothing(), "give a reason of one line and a citation", "nothing is cited for '0.weight'"),
    (TwoLines(), "have a str and a repr of one line", r"str of it is 'two\\nlines'"),
]


@pytest.mark.parametrize(("recipe", "duty", "measured"), SAID)
def test_what_a_plan_says(recipe, duty, measured):
    assert_broken(recipe, duty, measured)


# Reading alone


class Writes(Changed):
    def change(self, plan, model):
        with torch.no_grad():
            next(model.parameters()).mul_(2)
        return plan


class RunsInTraining(Right):
    def plan(self, model, inputs=None, targets=None, *, loss=None, seed=0):
        if inputs is not None:
            model(inputs)
        return super().plan(model, inputs, targets, loss=loss, seed=seed)


class ClearsGradients(Changed):
    def change(self, plan, model):
        model.zero_grad()
        return plan


class SwitchesMode(Changed):
    def change(self, plan, model):
        model.train()
        return plan


class LeavesAHook(Changed):
    def change(self, plan, model):
        model.register_forward_hook(lambda *_: None)
        return plan


class LeavesAMark(Changed):
    def change(self, plan, model):
        model.mark = 3
        return plan


class SeedsTorch(Changed):
    def change(self, plan, model):
        torch.manual_seed(3)
        return plan


class ChangesInputs(Right):
    def plan(self, model, inputs=None, targets=None, *, loss=None, seed=0):
        if inputs is not None:
            inputs.mul_(1.5)
        return super().plan(model, inputs, targets, loss=loss, seed=seed)


class HidesErrors(Right):
    def plan(self, model, inputs=None, targets=None, *, loss=None, seed=0):
        try:
            return super().plan(model, inputs, targets, loss=loss, seed=seed)
        except Exception as error:
            raise ValueError("something went wrong") from error


class LeavesAMess(Right):
    def plan(self, model, inputs=None, targets=None, *, loss=None, seed=0):
        try:
            return super().plan(model, inputs, targets, loss=loss, seed=seed)
        except InputError:
            raise
        except Exception:
            model.train(not model.training)
            raise


READ = "only read the model"
READING = [
    (Writes(), READ, "it changes parameter '0.weight'", (MLP,)),
    (RunsInTraining(), READ, "it changes buffer '1.running_mean'", (NORMED,)),
    (ClearsGradients(), f"{READ} and its batch", "plan changes the gradient of", (MLP,)),
    (SwitchesMode(), f"{READ} and its batch", "plan changes the mode of the model", (MLP,)),
    (LeavesAHook(), READ, "it changes the hooks of the model", (MLP,)),
    (LeavesAMark(), READ, "it changes the attributes of the model", (MLP,)),
    (SeedsTorch(), READ, "it changes the global random state of torch", (MLP,)),
    (HidesErrors(), "leave model and batch as they were", "becomes ValueError", (MLP,)),
    (
        LeavesAMess(), "leave model and batch as they were when the loss raises",
        "the mode of the model where the loss raises", (MLP,),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("recipe", "duty", "measured", "models"), READING)
def test_reading_alone(recipe, duty, measured, models):
    assert_broken(recipe, duty, measured, models)


def test_inputs_are_only_read():
    own = attrs.evolve(MLP, inputs=MLP.inputs.clone())
    assert_broken(ChangesInputs(), READ, "it changes tensor 0 of the inputs", (own,))


# What is drawn


class Counting(Changed):
    def change(self, plan, model):
        CALLS.append(0)
        return plan.replaced([replace(plan.rows[0], scheme=normal(std=0.1 * len(CALLS)))])


CALLS: list[int] = []


@dataclass(frozen=True)
class ByThreads:
    citation = "Nobody. How to count. 2024"

    def std(self, layout: Layout | None = None) -> float:
        return 0.1

    def init_(
        self, tensor: Tensor, *, seed: int = 0, name: str = "", layout: Layout | None = None
    ) -> Tensor:
        normal(std=0.1).init_(tensor, seed=seed, name=name, layout=layout)
        with torch.no_grad():
            return tensor.mul_(torch.get_num_threads())


class OnThreads(Changed):
    def change(self, plan, model):
        return plan.replaced([replace(plan.rows[0], scheme=ByThreads())])


class WrongSeed(Changed):
    def change(self, plan, model):
        return replace(plan, seed=77)


class SeedOfNoMeaning(Right):
    """Says that it is for one seed, and Plan refuses others: that is right."""

    def plan(self, model, inputs=None, targets=None, *, loss=None, seed=0):
        made = super().plan(model, inputs, targets, loss=loss, seed=seed)
        return replace(made, seed=seed)


class DrawsFrozen(Changed):
    def change(self, plan, model):
        rows = {row.parameter: row for row in plan.rows}
        made = [
            rows.get(name, Row(name, tuple(one.shape), normal(std=0.1), "all of them"))
            for name, one in model.named_parameters()
        ]
        return replace(plan, rows=tuple(made), kept=())


class FillsPadding(Changed):
    def change(self, plan, model):
        return plan.replaced(replace(row, padding_index=None) for row in plan.rows)


class Infinite(Changed):
    def change(self, plan, model):
        return plan.replaced([replace(plan.rows[0], scheme=Nothing())])


@dataclass(frozen=True)
class Nothing(Uncited):
    citation = "Nobody. How to divide. 2024"

    def init_(
        self, tensor: Tensor, *, seed: int = 0, name: str = "", layout: Layout | None = None
    ) -> Tensor:
        with torch.no_grad():
            return tensor.fill_(float("nan"))


class SingleOnly(Right):
    def plan(self, model, inputs=None, targets=None, *, loss=None, seed=0):
        if next(model.parameters()).dtype is not torch.float32:
            raise TypeError("float32 is all I know")
        return super().plan(model, inputs, targets, loss=loss, seed=seed)


class NeedsInputsInItsOwnWay(Right):
    def plan(self, model, inputs=None, targets=None, *, loss=None, seed=0):
        if inputs is None:
            raise KeyError("inputs")
        return super().plan(model, inputs, targets, loss=loss, seed=seed)


class Unpicklable(Right):
    def __reduce__(self):
        raise TypeError("not me")


DRAWN = [
    (Counting(), "make equal plans", "scheme of '0.weight' is normal", (MLP,)),
    (OnThreads(), "draw the same bits for any number of threads", "'0.weight' differs", (MLP,)),
    (WrongSeed(), "draw", "seed 77", (MLP,)),
    (DrawsFrozen(), "leave parameters that require no gradient", "it draws '0.weight'", (FROZEN,)),
    (DrawsFrozen(), "leave parameters that require no gradient", "where that requires", (MLP,)),
    (FillsPadding(), "leave rows of padding at zero", "row 0 of 'tokens.weight'", (LSTM,)),
    (Infinite(), "draw finite numbers", "'0.weight' has Inf or NaN", (MLP,)),
    (SingleOnly(), "plan and draw models in bfloat16", r"TypeError \(float32 is all", (MLP,)),
    (NeedsInputsInItsOwnWay(), "plan without inputs or raise InputError", "KeyError", (MLP,)),
    (Unpicklable(), "be pickled, as its plan is", "it raised TypeError", (MLP,)),
]


@pytest.mark.parametrize(("recipe", "duty", "measured", "models"), DRAWN)
def test_what_is_drawn(recipe, duty, measured, models):
    assert_broken(recipe, duty, measured, models)


def test_a_plan_for_one_seed_is_held_to_it():
    assert check_recipe(SeedOfNoMeaning(), models=[MLP], seed=5) == (MLP.name,)


# A writer of one's own


class OwnPlan(Plan):
    """Breaks what Plan keeps."""

    __slots__ = ()


class HalfWay(OwnPlan):
    __slots__ = ()

    def init_(self, model, seed=None, *, unmatched="error"):
        parameters = dict(model.named_parameters())
        for row in self.rows:
            row.scheme.init_(
                parameters[row.parameter], seed=seed or 0, name=row.parameter, layout=row.layout
            )
            if row.padding_index is not None:
                parameters[row.parameter].data[row.padding_index] = 0
        return model


class OneSeed(OwnPlan):
    __slots__ = ()

    def init_(self, model, seed=None, *, unmatched="error"):
        return Plan.init_(self, model, 0, unmatched=unmatched)


class Steps(OwnPlan):
    __slots__ = ()

    def init_(self, model, seed=None, *, unmatched="error"):
        model.zero_grad()
        return Plan.init_(self, model, seed, unmatched=unmatched)


@attrs.frozen(repr=False)
class WithPlan(Right):
    kind: type = Plan

    name = "with_plan"

    def plan(self, model, inputs=None, targets=None, *, loss=None, seed=0):
        made = super().plan(model, inputs, targets, loss=loss, seed=seed)
        return self.kind(made.recipe, made.rows, made.kept, source=made.source)


@pytest.mark.parametrize(
    ("kind", "duty", "measured"),
    [
        (HalfWay, "draw all parameters or none", "has changed although the draw failed"),
        (OneSeed, "draw other numbers for another seed", "is the same for seeds 0 and 1"),
        (Steps, "change nothing but the values of parameters", "init_ changes the gradient of"),
    ],
)
def test_a_writer_of_ones_own(kind, duty, measured):
    assert_broken(WithPlan(kind), duty, measured)


# Where it does not apply


def refusing(make: Callable[[nn.Module], Exception], *, mess: bool = False) -> Any:
    class Refuses(Right):
        def plan(self, model, inputs=None, targets=None, *, loss=None, seed=0):
            if isinstance(model, nn.Sequential):
                return super().plan(model, inputs, targets, loss=loss, seed=seed)
            if mess:
                model.eval()
            raise make(model)

    return Refuses()


def test_a_model_that_it_refuses_by_name_is_right():
    recipe = refusing(lambda model: ModelError("the cells of 'head.weight' are no Sequential"))
    assert check_recipe(recipe, models=[LSTM, MLP]) == (MLP.name,)
    recipe = refusing(lambda model: ModelError(f"{type(model).__name__} has no layers in a row"))
    assert check_recipe(recipe, models=[LSTM, MLP]) == (MLP.name,)


@pytest.mark.parametrize(
    ("make", "mess", "duty", "measured"),
    [
        (lambda model: ModelError("no"), False, "name the part", "it says only: no"),
        (lambda model: KeyError("cells"), False, "plan it or refuse it", "raised KeyError"),
        (lambda model: InputError("no"), False, "plan it or refuse it", "raised InputError"),
        (lambda model: ModelError("'cells'"), True, "leave a model alone that it refuses", "mode"),
    ],
)
def test_a_model_that_it_refuses_wrongly(make, mess, duty, measured):
    assert_broken(refusing(make, mess=mess), duty, measured, (LSTM, MLP))


def test_one_that_applies_to_no_model():
    recipe = refusing(lambda model: ModelError("'cells' is no Sequential"))
    assert_broken(recipe, "apply to one model at least", "for all 1 that were tried", (LSTM,))


# The models


def test_the_usual_models_run_and_are_the_same_each_time():
    for one, again in zip(usual(), usual(), strict=True):
        torch.manual_seed(0)
        model = one.build()
        outputs = model(one.inputs)
        assert torch.isfinite(one.loss(outputs, one.targets)), one.name
        assert torch.equal(one.inputs, again.inputs)
        assert torch.equal(one.targets, again.targets)
    assert len({one.name for one in usual()}) == len(usual())


def test_every_parameter_of_the_usual_models_is_understood():
    for one in usual():
        seen = fanin.observe(one.build(), one.inputs, one.targets, loss=one.loss)
        assert seen.unmatched == (), one.name


def test_a_promise_has_a_duty_and_a_remedy():
    assert len({promise.duty for promise in PROMISES}) == len(PROMISES)
    assert all(promise.remedy for promise in PROMISES)
