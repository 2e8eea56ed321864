"""What every recipe promises, and the function that holds one to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import torch

from fanin.errors import InputError, ModelError
from fanin.noise import Stream
from fanin.recipes import RecipeLike, as_recipe
from fanin.recipes.recipe import Recipe
from fanin.testing import recipe_drawing, recipe_planning
from fanin.testing.case import surroundings_kept
from fanin.testing.examples import Example, usual
from fanin.testing.recipe_case import RecipeCase, RecipePromise, changes, state

_READ = "read the model under fanin.observation.untouched(model), or by fanin.observe alone"
_WRITER = "leave the writing to Plan.init_"
_SEED = "take randomness from the noise of (seed, name) alone, and measure on weights drawn so"

PROMISES: Final = (
    RecipePromise(
        "make a Plan that names every parameter once, in rows, kept or unmatched",
        "end with Anatomy.planned, which sees to that",
        recipe_planning.every_parameter_once,
    ),
    RecipePromise(
        "have a str and a repr of one line",
        "name the recipe and its arguments",
        recipe_planning.readable,
    ),
    RecipePromise(
        "give a reason of one line and a citation for each row",
        "fill reason, and source or the scheme's citation",
        recipe_planning.reasons_and_citations,
    ),
    RecipePromise(
        "only read the model and its batch",
        _READ,
        recipe_planning.only_reading,
    ),
    RecipePromise(
        "leave model and batch as they were when the loss raises, and let its exception through",
        _READ,
        recipe_planning.only_reading_when_it_raises,
    ),
    RecipePromise(
        "make equal plans of the same model and batch",
        _SEED,
        recipe_planning.the_same_twice,
    ),
    RecipePromise(
        "draw the same by plan(...).init_ and by fanin.init_",
        _WRITER,
        recipe_drawing.drawn_as_init,
    ),
    RecipePromise(
        "draw the same bits for any number of threads",
        _SEED,
        recipe_drawing.drawn_by_any_threads,
    ),
    RecipePromise(
        "draw other numbers for another seed, or refuse it where the plan was measured for one",
        "draw by schemes; give Plan its seed where weights were measured",
        recipe_drawing.by_seed,
    ),
    RecipePromise(
        "draw all parameters or none",
        _WRITER,
        recipe_drawing.all_or_nothing,
    ),
    RecipePromise(
        "leave parameters that require no gradient as they are where it reads a pass, or raise "
        "ModelError",
        "give rows to Anatomy.of(...) alone, which leaves frozen ones out",
        recipe_drawing.frozen_as_they_are,
    ),
    RecipePromise(
        "change nothing but the values of parameters",
        _WRITER,
        recipe_drawing.only_parameters_in_place,
    ),
    RecipePromise(
        "leave rows of padding at zero",
        "make rows by Anatomy.row, which knows them",
        recipe_drawing.padding_rows_zero,
    ),
    RecipePromise(
        "draw finite numbers",
        "check for zero before you divide",
        recipe_drawing.finite,
    ),
    RecipePromise(
        "plan and draw models in bfloat16",
        "compute in float32 or float64",
        recipe_drawing.in_half_precision,
    ),
    RecipePromise(
        "make a plan that goes into JSON and back",
        "take schemes of fanin, or give yours fields that JSON has",
        recipe_planning.as_dict_and_back,
    ),
    RecipePromise(
        "be pickled, as its plan is",
        "make it a frozen class at the top of a module",
        recipe_planning.pickled,
    ),
    RecipePromise(
        "plan without inputs or raise InputError",
        "call self.require_inputs(inputs) first",
        recipe_planning.without_inputs,
    ),
)


def check_recipe(
    recipe: RecipeLike, *, models: Iterable[Example] | None = None, seed: int = 0
) -> tuple[str, ...]:
    """Hold a recipe to what every recipe promises; the first promise that it breaks is named.

    For any object that satisfies ``fanin.recipes.Recipe``, of fanin, of your own or of a
    package. In a test: ``check_recipe(mine())``. It needs a few seconds. The promises:

    1. Where it does not apply it raises ``ModelError``, which names the part at fault, and
       leaves the model alone. It applies to one of the models at least.
    2. The plan names every parameter once: in its rows, as kept or as unmatched.
    3. Each row has a reason and a citation.
    4. Planning only reads: parameters, gradients, buffers, modes, hooks, attributes, inputs and
       the global random states are as before, bit for bit, also when the loss raises.
    5. Two plans of the same model and batch are equal.
    6. ``plan.init_`` and ``fanin.init_`` draw the same bits, for any number of threads. Another
       seed gives other numbers; a plan that was measured for one seed refuses others.
    7. All or nothing: whatever a scheme raises, the model is as it was.
    8. Parameters that require no gradient keep their values, tied ones are drawn once, rows of
       padding stay zero; nothing but values of parameters changes. Values are finite.
    9. It plans and draws models in bfloat16.
    10. Plans go into JSON and back, and through pickle, as the recipe does.
    11. Without inputs it plans, or raises ``InputError``.

    Args:
        recipe: what is checked: a recipe, or whatever counts as one.
        models: to try it on. None: small models of the usual kinds
            (``fanin.testing.examples.usual``): perceptrons, residual networks, transformers,
            recurrent networks.
        seed: of the weights; with it the outcome is always the same.

    Returns:
        The names of the models that it applies to.

    Raises:
        AssertionError: a promise is broken: which, what was measured and what to do.
        InputError: the object is no recipe, or there are no models.

    Example:
        >>> from fanin.testing.examples import usual
        >>> check_recipe("gpt2", models=[usual()[0], usual()[6]])
        ('pre-norm transformer with a tied head',)
    """
    known = as_recipe(recipe)
    seed = Stream(seed, "").seed
    tried = tuple(usual() if models is None else models)
    if not tried or not all(isinstance(one, Example) for one in tried):
        raise InputError(
            "models must be fanin.testing.Example(name, build, inputs, ...), one or more"
        )
    with surroundings_kept():
        torch.set_num_threads(1)
        cases = [RecipeCase(known, one, seed) for one in tried]
        applied = [case for case in map(_planned, cases) if case is not None]
        if not applied:
            raise AssertionError(
                f"{_text(known)} must apply to one model at least, but raises ModelError for all "
                f"{len(cases)} that were tried; give one that it is made for: check_recipe(recipe, "
                "models=[fanin.testing.Example(...)])"
            )
        for case in applied:
            _hold(case)
    return tuple(case.example.name for case in applied)


def _planned(case: RecipeCase) -> RecipeCase | None:
    """The case with its plan, if there is one; a refusal leaves the model alone, too."""
    model = case.model()
    before = state(model, case.example.inputs)
    where = f"{_text(case.recipe)} on {case} must"
    try:
        plan = case.planned(model)
    except ModelError as error:
        for what in changes(before, state(model, case.example.inputs)):
            raise AssertionError(
                f"{where} leave a model alone that it refuses, but it changes {what}; {_READ}"
            ) from error
        if not _names_a_part(str(error), model):
            raise AssertionError(
                f"{where} name the part that it does not apply to, but it says only: {error}; "
                "name the parameter or module, or the model's class where the whole is meant"
            ) from error
        return None
    except Exception as error:
        raise AssertionError(
            f"{where} plan it or refuse it with ModelError, but it raised {type(error).__name__} "
            f"({error}); raise fanin.errors.ModelError for what it is not made for"
        ) from error
    for what in changes(before, state(model, case.example.inputs)):
        raise AssertionError(f"{where} only read the model, but it changes {what}; {_READ}")
    return replace(case, plan=plan)


def _names_a_part(said: str, model: torch.nn.Module) -> bool:
    parts = [name for name, _ in model.named_parameters()]
    for name, module in model.named_modules():
        parts += [repr(name), type(module).__name__] if name else [type(module).__name__]
    return any(part in said for part in parts)


def _hold(case: RecipeCase) -> None:
    for promise in PROMISES:
        cause: Exception | None = None
        try:
            complaint = next(promise.complaints(case), None)
        except Exception as error:  # noqa: BLE001 - whatever a recipe may raise
            complaint, cause = f"it raised {type(error).__name__} ({error})", error
        if complaint:
            raise AssertionError(
                f"{_text(case.recipe)} on {case} must {promise.duty}, but {complaint}; "
                f"{promise.remedy}"
            ) from cause


def _text(recipe: Recipe) -> str:
    """Its text, where it can be had."""
    try:
        return f"recipe {recipe!s}"
    except Exception:  # noqa: BLE001
        return f"the recipe {type(recipe).__name__}"
