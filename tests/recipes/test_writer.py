"""Writing a plan is all or nothing, and what is wrong is named."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import fanin
from fanin.errors import FaninError, ModelError
from fanin.fans import Layout
from fanin.recipes import Plan, as_recipe
from fanin.recipes.plans.writer import noise_names
from fanin.schemes import he_normal
from tests.recipes.state import assert_same_parameters, bits, parameter_bits


def small() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))


def _said(error: BaseException) -> str:
    return "\n".join([str(error), *getattr(error, "__notes__", ())])


def _assert_refused(
    act: Callable[[], object], model: nn.Module, *parts: str, kind: type = ModelError
) -> None:
    """The act raises this error with these parts in its message, and no bit of the model moved."""
    before = parameter_bits(model)
    assert before, "a model of which nothing can be compared"
    with pytest.raises(kind) as caught:
        act()
    for part in parts:
        assert part in _said(caught.value), f"no {part!r} in: {_said(caught.value)}"
    assert_same_parameters(model, before)


class Failing:
    """Draws, and raises at the parameter of a given name after it has spoilt a part of it."""

    citation = "none"

    def __init__(self, name: str, error: BaseException) -> None:
        self.at = name
        self.error = error
        self.drawn: list[str] = []

    def std(self, layout: Layout | None = None) -> float:
        return 1.0

    def init_(
        self, tensor: Tensor, *, seed: int = 0, name: str = "", layout: Layout | None = None
    ) -> Tensor:
        he_normal().init_(tensor, seed=seed, name=name, layout=layout)
        self.drawn.append(name)
        if name == self.at:
            raise self.error
        return tensor


class WithoutScale(Failing):
    """Cannot say its standard deviation for one layout."""

    def std(self, layout: Layout | None = None) -> float:
        if layout is not None and layout.fan_in == 3:
            raise fanin.errors.FanError("no scale for fan_in 3")
        return 1.0


def test_an_integer_parameter_is_refused_by_name() -> None:
    model = small()
    model[2].weight = nn.Parameter(torch.ones(2, 3, dtype=torch.int64), requires_grad=False)
    _assert_refused(lambda: fanin.init_(model, "he_normal"), model, "'2.weight'", "int64")


def test_a_complex_parameter_is_refused_by_name() -> None:
    model = small()
    model[2].weight = nn.Parameter(torch.ones(2, 3, dtype=torch.complex64))
    _assert_refused(lambda: fanin.init_(model, "he_normal"), model, "'2.weight'", "complex64")


def test_a_parameter_on_the_meta_device_is_refused_by_name_with_the_remedy() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2, device="meta"))
    _assert_refused(lambda: fanin.init_(model, "he_normal"), model, "'2.weight'", "to_empty")


@pytest.mark.parametrize("recipe", ["he_normal", "default"])
def test_a_lazy_parameter_is_refused_by_name_with_the_remedy(recipe: str) -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.LazyLinear(2))

    def first_layer() -> dict[str, bytes]:
        return parameter_bits(model[0])

    before = first_layer()
    with pytest.raises(ModelError, match=r"'1\.weight' is lazy.*forward pass"):
        fanin.init_(model, recipe)
    assert first_layer() == before


def test_a_lazy_model_can_be_drawn_after_its_first_pass() -> None:
    model = nn.Sequential(nn.LazyLinear(3), nn.ReLU(), nn.LazyLinear(2))
    model(torch.ones(1, 4))
    assert_same_parameters(
        fanin.init_(model, "he_normal"), parameter_bits(fanin.init_(small(), "he_normal"))
    )


def test_an_expanded_parameter_is_refused_by_name() -> None:
    model = small()
    model[2].weight = nn.Parameter(torch.ones(1, 3).expand(2, 3))
    _assert_refused(lambda: fanin.init_(model, "he_normal"), model, "'2.weight'", "expand")


@pytest.mark.parametrize(
    "view",
    [
        lambda w: w.detach(),
        lambda w: w.detach().t(),
        lambda w: w.detach()[:3],
        lambda w: w.detach()[1:, 1:],
    ],
)
def test_two_parameters_on_the_same_memory_are_refused_by_name(
    view: Callable[[Tensor], Tensor],
) -> None:
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    model[1].weight = nn.Parameter(view(model[0].weight))
    _assert_refused(
        lambda: fanin.init_(model, "he_normal"), model, "'0.weight'", "'1.weight'", "share memory"
    )


def test_parameters_side_by_side_in_one_memory_are_drawn() -> None:
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    expected = parameter_bits(fanin.init_(model, "he_normal"))
    both = torch.zeros(8, 4)
    model[0].weight, model[1].weight = nn.Parameter(both[:4]), nn.Parameter(both[4:])
    assert_same_parameters(fanin.init_(model, "he_normal"), expected)


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (lambda m: m.append(nn.Linear(2, 2)), ("another model", "it lacks 3.bias, 3.weight")),
        (lambda m: m.pop(2), ("another model", "the model lacks 2.bias, 2.weight")),
        (
            lambda m: m.__setitem__(2, nn.Linear(3, 5)),
            ("'2.weight'", "shape (5, 3)", "plan says (2, 3)"),
        ),
        (lambda m: m[2].register_parameter("bias", None), ("the model lacks 2.bias",)),
    ],
)
def test_a_plan_for_another_model_is_refused(
    change: Callable[[nn.Sequential], object], parts: tuple[str, ...]
) -> None:
    plan = as_recipe("he_normal").plan(small())
    model = small()
    change(model)
    _assert_refused(lambda: plan.init_(model), model, *parts)


def test_a_long_list_of_missing_parameters_is_cut() -> None:
    model = nn.Sequential(*(nn.Linear(2, 2) for _ in range(50)))
    with pytest.raises(ModelError) as caught:
        Plan("empty", ()).init_(model)
    assert len(str(caught.value)) < 200, str(caught.value)
    assert "0.bias" in str(caught.value)


def test_a_plan_serves_every_model_of_its_parameters() -> None:
    plan = as_recipe("he_normal").plan(small())
    assert_same_parameters(
        plan.init_(small(), seed=3), parameter_bits(fanin.init_(small(), "he_normal", seed=3))
    )


def test_a_scheme_that_fails_midway_leaves_every_bit_and_is_named() -> None:
    model = small()
    scheme = Failing("2.weight", RuntimeError("out of luck"))
    _assert_refused(
        lambda: fanin.init_(model, scheme), model, "out of luck", "2.weight", kind=Exception
    )
    assert scheme.drawn == ["0.weight", "2.weight"], "it did not fail midway"


def test_an_interrupt_midway_leaves_every_bit_and_passes_through() -> None:
    model = small()
    scheme = Failing("2.weight", KeyboardInterrupt())
    _assert_refused(lambda: fanin.init_(model, scheme), model, kind=KeyboardInterrupt)
    assert scheme.drawn == ["0.weight", "2.weight"]


def test_tied_and_strided_parameters_are_put_back_too() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 2), nn.Conv2d(4, 4, 2), nn.Conv2d(4, 4, 2))
    model = model.to(memory_format=torch.channels_last)
    model[1].weight = model[2].weight
    model[0].weight.requires_grad_(requires_grad=False)
    place = model[0].weight.data_ptr()
    scheme = Failing("1.weight", KeyboardInterrupt())
    _assert_refused(lambda: fanin.init_(model, scheme), model, kind=KeyboardInterrupt)
    assert model[0].weight.data_ptr() == place
    assert model[1].weight is model[2].weight
    assert not model[0].weight.requires_grad


def test_a_scheme_without_the_scale_it_needs_is_refused_before_anything_is_drawn() -> None:
    model = small()
    scheme = WithoutScale("", RuntimeError())
    _assert_refused(
        lambda: fanin.init_(model, scheme), model, "'2.weight'", "no scale for fan_in 3"
    )
    assert scheme.drawn == []


def test_a_weight_without_inputs_is_drawn_where_it_has_no_elements() -> None:
    model = nn.Sequential(nn.Linear(4, 3))
    expected = parameter_bits(fanin.init_(model, "he_normal"))
    with_empty = nn.ModuleDict({"0": nn.Linear(4, 3), "empty": nn.EmbeddingBag(0, 2)})
    fanin.init_(with_empty, "he_normal")
    assert {**expected, "empty.weight": b""} == parameter_bits(with_empty)


class _Clash(nn.Module):
    """As a compiled module beside a plain one of the same name would be called."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(2, 2)
        self._orig_mod = nn.ModuleDict({"head": nn.Linear(2, 2)})


def test_a_clash_of_names_without_the_prefix_of_compile_is_refused_with_both() -> None:
    model = _Clash()
    _assert_refused(
        lambda: fanin.init_(model, "he_normal"), model, "'head.weight'", "'_orig_mod.head.weight'"
    )


def test_only_whole_parts_of_a_name_are_the_prefix_of_compile() -> None:
    names = ["_orig_mod.a._orig_mod.w", "my_orig_mod.w", "_orig_mod2.w", "w"]
    assert list(noise_names(names).values()) == ["a.w", "my_orig_mod.w", "_orig_mod2.w", "w"]


def test_a_seed_that_is_no_integer_is_refused_before_anything_is_drawn() -> None:
    model = small()
    plan = as_recipe("he_normal").plan(model)
    _assert_refused(lambda: plan.init_(model, 0.5), model, "seed", kind=FaninError)


def test_a_model_of_no_parameters_is_written() -> None:
    model = nn.ReLU()
    assert fanin.init_(model, "he_normal") is model


def test_writing_twice_gives_the_same_bits() -> None:
    model = fanin.init_(small(), "he_normal", seed=1)
    first = bits(model[0].weight)
    with torch.no_grad():
        model[0].weight.mul_(3)
    assert bits(fanin.init_(model, "he_normal", seed=1)[0].weight) == first
