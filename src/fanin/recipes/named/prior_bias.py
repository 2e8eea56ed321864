"""The head's bias from what is known of the targets."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import attrs
from torch import nn

from fanin.errors import InputError, ModelError
from fanin.observation import observe
from fanin.recipes.as_constructed import Default
from fanin.recipes.catalogue import RecipeLike, as_recipe
from fanin.recipes.plans.plan import Plan
from fanin.recipes.plans.row import Row
from fanin.recipes.reading.anatomy import Anatomy
from fanin.recipes.reading.heads import Head, require_heads
from fanin.recipes.reading.matched import listed
from fanin.recipes.recipe import AbstractRecipe, Batch, Recipe, planned
from fanin.recipes.rules.priors import BETWEEN, LOSSES, best_bias, require_tensor
from fanin.schemes import Scheme, constant
from fanin.schemes.patterns import given
from fanin.schemes.scheme import as_float


def _as_rest(recipe: RecipeLike | None) -> Recipe | None:
    return None if recipe is None or recipe == "keep" else as_recipe(recipe)


def _a_probability(_: object, __: attrs.Attribute[Any], value: float | None) -> None:
    if value is not None and not (isinstance(value, float) and 0 < value < 1):
        raise InputError(f"pi must be a probability between 0 and 1, got {value!r}")


def _a_count(_: object, __: attrs.Attribute[Any], value: float) -> None:
    if not (isinstance(value, float) and 0 <= value < 1e18):
        raise InputError(f"smoothing must be a number of 0 or more, got {value!r}")


@attrs.frozen(repr=False)
class prior_bias(AbstractRecipe):
    """The head's bias is the best guess without an input; the rest as another recipe has it.

    Cross entropy: log frequencies of the classes in the targets. Binary cross entropy: the logit
    of the frequency. Squared error: the mean of the targets. Absolute error: their median. So
    the first steps are not spent on learning how frequent the classes are.

    Args:
        base: recipe for everything else, or "keep" to leave it as it is.
        pi: the probability that each sigmoid of the head starts with: the bias is
            -ln((1 - pi) / pi), and no targets are read. For detectors with focal loss 0.01.
        smoothing: added to the count of each class, so that absent ones have a finite bias.
        head: a pattern of parameters or the path of a module, where a model has several heads.

    Raises:
        InputError: an argument out of range; from ``plan``: no inputs, no targets or no loss.
        DataError: from ``plan``: targets that do not fit the head.
        ModelError: from ``plan``: no head, several, one without a bias or with a function behind
            it, or a loss of which the best guess is not known.

    References:
        Lin et al., Focal loss for dense object detection, 2017, arXiv:1708.02002, section 4.1;
        Karpathy, A recipe for training neural networks, 2019.
    """

    base: Recipe | None = attrs.field(default=Default(), converter=_as_rest)
    pi: float | None = attrs.field(
        default=None, converter=attrs.converters.optional(as_float), validator=_a_probability
    )
    smoothing: float = attrs.field(default=1.0, converter=as_float, validator=_a_count)
    head: str | None = None

    name = "prior_bias"
    rule = "head's bias = log frequencies, logit of the frequency, or mean of the targets"
    use = "classes of unequal frequency, and targets far from 0"
    citation = (
        "Lin, Goyal, Girshick, He, Dollar. Focal loss for dense object detection. ICCV 2017. "
        "arXiv:1708.02002. Section 4.1. Karpathy. A recipe for training neural networks. 2019"
    )
    needs = "targets"
    argument = "pi"

    def plan(
        self,
        model: nn.Module,
        inputs: object = None,
        targets: object = None,
        *,
        loss: Callable[..., Any] | None = None,
        seed: int = 0,
    ) -> Plan:
        self.require_inputs(inputs)
        if self.pi is None:
            require_tensor(self.name, targets)
        anatomy = Anatomy(model, observe(model, inputs, targets, loss=loss))
        head, bias = self._head(anatomy)
        scheme, reason = self._drawn(anatomy, head, bias, targets)
        row = anatomy.row(bias, scheme, reason, self.citation)
        return self._on_the_rest(row, model, Batch(inputs, targets, loss), seed)

    def _head(self, anatomy: Anatomy) -> tuple[Head, str]:
        heads = require_heads(self.name, anatomy, self.head)
        if len(heads) > 1:
            names = listed(head.weight.parameter for head in heads)
            raise ModelError(
                f"recipe {self.name!r} sets the bias of one head, and there are {names}. Say "
                "which by head=, and nest recipes for several: prior_bias(base=prior_bias(...))"
            )
        (head,) = heads
        if head.bias is None:
            raise ModelError(
                f"recipe {self.name!r} sets the bias of the head, and the head "
                f"{head.weight.parameter!r} has none. Make it with bias=True"
            )
        if head.bias in anatomy.frozen:
            raise ModelError(
                f"recipe {self.name!r} sets the bias of the head, and {head.bias!r} requires no "
                "gradient. Set requires_grad to True"
            )
        return head, head.bias

    def _drawn(
        self, anatomy: Anatomy, head: Head, bias: str, targets: object
    ) -> tuple[Scheme, str]:
        if self.pi is not None:
            value = -math.log((1 - self.pi) / self.pi)
            return constant(value), f"-ln((1 - pi)/pi) = {value:.4g}: pi = {self.pi:g} at first"
        op = self._loss(anatomy)
        self._require_nothing_behind(head, op)
        size = anatomy.parameters[bias].numel()
        values = best_bias(head, size, op, require_tensor(self.name, targets), self.smoothing)
        what = {
            "classes": f"log frequencies of {size} classes",
            "binary": "the logit of the frequency",
            "mean": "the mean",
            "median": "the median",
        }[LOSSES[op]]
        values = values.reshape(anatomy.parameters[bias].shape)
        return given(values), f"{what} in the targets: the best guess for {op} without an input"

    def _loss(self, anatomy: Anatomy) -> str:
        ops = list(dict.fromkeys(one.op for one in anatomy.observation.losses))
        if anatomy.observation.objective.kind == "projection":
            raise InputError(
                f"recipe {self.name!r} needs the loss that will be trained, e.g. "
                "loss=torch.nn.functional.cross_entropy"
            )
        if len(ops) != 1 or ops[0] not in LOSSES:
            raise ModelError(
                f"recipe {self.name!r} knows the best guess for {', '.join(LOSSES)}, and the pass "
                f"ran {', '.join(ops) or 'no loss of torch'}. Set the bias yourself, by "
                "recipes.override(..., {'head.bias': schemes.given(values)})"
            )
        return ops[0]

    def _require_nothing_behind(self, head: Head, op: str) -> None:
        for region in head.weight.regions:
            if region.ops not in BETWEEN[op]:
                raise ModelError(
                    f"recipe {self.name!r}: {', '.join(region.ops)} lies between the head "
                    f"{head.weight.parameter!r} and {op}, so the best guess is not the bias "
                    "itself. Set the bias yourself, by recipes.override"
                )

    def _on_the_rest(self, row: Row, model: nn.Module, batch: Batch, seed: int) -> Plan:
        names = [name for name, _ in model.named_parameters()]
        if self.base is None:
            rest = Plan("keep", (), tuple(names))
        else:
            try:
                rest = planned(self.base, model, batch, seed=seed)
            except (ModelError, InputError) as error:
                error.add_note(
                    f"recipe {self.name!r} draws all but the head's bias by {self.base}: give "
                    "base='auto', or 'keep' to leave it as it is"
                )
                raise
        frozen = {name for name, one in model.named_parameters() if not one.requires_grad}
        others = [one for one in rest.rows if one.parameter not in {row.parameter, *frozen}]
        return replace(
            rest,
            recipe=str(self),
            rows=tuple(sorted([*others, row], key=lambda one: names.index(one.parameter))),
            kept=tuple(
                name
                for name in names
                if name != row.parameter and (name in rest.kept or name in frozen)
            ),
            unmatched=tuple(name for name in rest.unmatched if name != row.parameter),
            source=rest.source or self.citation,
        ).of(model)
