"""One scheme on a whole model: each parameter by its use, and by nothing else."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

import fanin
from fanin.errors import ModelError
from fanin.recipes import OneScheme, as_recipe
from fanin.schemes import he_normal, normal
from tests.claims import assert_close, assert_std
from tests.recipes.state import (
    assert_same_parameters,
    bits,
    parameter_bits,
    untouched_generators,
)

# Chance that one check of a standard deviation fails although it is right; 60 such checks.
RATE = 1e-6

# (layer, fan_in, fan_out), the fans worked out by hand from what one output sums and what
# one input reaches.
LAYERS: dict[str, tuple[Callable[[], nn.Module], float, float]] = {
    "Linear": (lambda: nn.Linear(200, 100), 200, 100),
    "Conv1d": (lambda: nn.Conv1d(16, 32, 5), 16 * 5, 32 * 5),
    "Conv2d": (lambda: nn.Conv2d(8, 24, (3, 5), stride=2, dilation=2), 8 * 15, 24 * 15),
    "Conv2d, 4 groups": (lambda: nn.Conv2d(32, 64, 3, groups=4), 8 * 9, 16 * 9),
    "Conv2d, depthwise": (lambda: nn.Conv2d(512, 512, 3, groups=512), 9, 9),
    "Conv3d": (lambda: nn.Conv3d(8, 16, 3), 8 * 27, 16 * 27),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(16, 64, 4, stride=2), 16 * 4 / 2, 64 * 4),
    "ConvTranspose2d, 2 groups": (
        lambda: nn.ConvTranspose2d(32, 16, 3, groups=2),
        16 * 9,
        8 * 9,
    ),
    "ConvTranspose3d": (lambda: nn.ConvTranspose3d(16, 32, 2, stride=2), 16 * 8 / 8, 32 * 8),
    "Embedding": (lambda: nn.Embedding(500, 20), 1, 20),
    "EmbeddingBag": (lambda: nn.EmbeddingBag(500, 20), 1, 20),
    "Bilinear": (lambda: nn.Bilinear(10, 12, 40), 10 * 12, 40 * 12),
}

# (recipe, its std from the fans, kurtosis of its law)
SCHEMES: dict[str, tuple[Callable[[float, float], float], float]] = {
    "he_normal": (lambda n, _: math.sqrt(2 / n), 3.0),
    "xavier_uniform": (lambda n, o: math.sqrt(2 / (n + o)), 1.8),
    "lecun_normal": (lambda n, _: math.sqrt(1 / n), 3.0),
    "he_uniform": (lambda n, _: math.sqrt(2 / n), 1.8),
    "normal:0.02": (lambda _, __: 0.02, 3.0),
}

NORMS: dict[str, Callable[[], nn.Module]] = {
    "BatchNorm1d": lambda: nn.BatchNorm1d(6),
    "BatchNorm2d": lambda: nn.BatchNorm2d(6),
    "BatchNorm3d": lambda: nn.BatchNorm3d(6),
    "SyncBatchNorm": lambda: nn.SyncBatchNorm(6),
    "InstanceNorm1d": lambda: nn.InstanceNorm1d(6, affine=True),
    "InstanceNorm2d": lambda: nn.InstanceNorm2d(6, affine=True, track_running_stats=True),
    "InstanceNorm3d": lambda: nn.InstanceNorm3d(6, affine=True),
    "LayerNorm": lambda: nn.LayerNorm((3, 6)),
    "GroupNorm": lambda: nn.GroupNorm(2, 6),
    "RMSNorm": lambda: nn.RMSNorm(6),
}


def three_layers() -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6))


class _Language(nn.Module):
    """A table and a head that share one weight, in either order of registration."""

    def __init__(self, first: str, *, padding: int | None = None) -> None:
        super().__init__()
        if first == "table":
            self.table = nn.Embedding(11, 7, padding_idx=padding)
        self.head = nn.Linear(7, 11, bias=False)
        if first == "head":
            self.table = nn.Embedding(11, 7, padding_idx=padding)
        self.head.weight = self.table.weight


def _filled(model: nn.Module, value: float) -> nn.Module:
    for parameter in model.parameters():
        nn.init.constant_(parameter, value)
    return model


def _assert_constant(parameter: torch.Tensor, value: float, what: str) -> None:
    off = float((parameter.detach() - value).abs().max())
    assert off == 0, f"{what} is up to {off:g} away from {value:g}"


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("layer", LAYERS)
def test_a_weight_has_the_std_that_its_fans_give(layer: str, scheme: str) -> None:
    make, fan_in, fan_out = LAYERS[layer]
    formula, kurtosis = SCHEMES[scheme]
    std = formula(fan_in, fan_out)
    model = make()
    row = next(r for r in as_recipe(scheme).plan(model).rows if r.parameter == "weight")
    assert_close(row.std, std, 1e-12, f"planned std of {layer} under {scheme}")
    fanin.init_(model, scheme, seed=3)
    weight = model.get_parameter("weight").detach().numpy()
    assert_std(weight, std, kurtosis, RATE, f"{layer} under {scheme}")


@pytest.mark.parametrize("layer", [n for n, (make, _, _) in LAYERS.items() if "Emb" not in n])
def test_a_bias_is_zero(layer: str) -> None:
    model = _filled(LAYERS[layer][0](), 5.0)
    fanin.init_(model, "he_normal")
    _assert_constant(model.get_parameter("bias"), 0, f"bias of {layer}")


@pytest.mark.parametrize("norm", NORMS)
def test_a_norm_starts_as_plain_normalisation(norm: str) -> None:
    model = _filled(NORMS[norm](), 5.0)
    names = {name for name, _ in model.named_parameters()}
    assert "weight" in names, f"{norm} has {names}: nothing to test"
    fanin.init_(model, "he_normal")
    _assert_constant(model.get_parameter("weight"), 1, f"weight of {norm}")
    if "bias" in names:
        _assert_constant(model.get_parameter("bias"), 0, f"bias of {norm}")


@pytest.mark.parametrize(
    ("made", "slope"), [(lambda: nn.PReLU(), 0.25), (lambda: nn.PReLU(8, init=0.1), 0.1)]
)
def test_the_slope_of_prelu_is_the_one_that_it_was_made_with(
    made: Callable[[], nn.PReLU], slope: float
) -> None:
    model = _filled(made(), 5.0)
    fanin.init_(model, "he_normal")
    _assert_constant(model.weight, float(np.float32(slope)), "slope")


@pytest.mark.parametrize("padding", [0, 4, -1])
@pytest.mark.parametrize("kind", [nn.Embedding, nn.EmbeddingBag])
def test_the_padding_row_is_zero_and_no_other(kind: type[nn.Embedding], padding: int) -> None:
    model = kind(9, 5, padding_idx=padding)
    plain = fanin.init_(kind(9, 5), "he_normal", seed=1)
    fanin.init_(_filled(model, 5.0), "he_normal", seed=1)
    expected = plain.weight.detach().clone()
    expected[padding] = 0
    assert bits(model.weight) == bits(expected), f"{model.weight} instead of {expected}"


@pytest.mark.parametrize("first", ["table", "head"])
def test_a_padding_row_is_zero_also_where_the_table_is_tied(first: str) -> None:
    model = _Language(first, padding=2)
    fanin.init_(_filled(model, 5.0), "normal:0.02")
    _assert_constant(model.table.weight[2], 0, f"padding row, {first} registered first,")


@pytest.mark.parametrize("first", ["table", "head"])
def test_default_refuses_a_table_tied_to_a_head(first: str) -> None:
    """Which of the two constructors drew it last cannot be seen in the model."""
    with pytest.raises(ModelError, match=r"'table\.weight'.*are one parameter"):
        fanin.init_(_Language(first, padding=2), "default")


def test_tied_weights_of_one_layout_are_one_draw() -> None:
    model = three_layers()
    untied = fanin.init_(three_layers(), "he_normal", seed=5)
    model[4].weight = model[0].weight
    fanin.init_(model, "he_normal", seed=5)
    assert model[4].weight is model[0].weight
    assert bits(model[0].weight) == bits(untied[0].weight)
    assert bits(model[2].weight) == bits(untied[2].weight)
    planned = [row.parameter for row in as_recipe("he_normal").plan(model).rows]
    assert planned == ["0.weight", "0.bias", "2.weight", "2.bias", "4.bias"]


@pytest.mark.parametrize("first", ["table", "head"])
@pytest.mark.parametrize("recipe", ["he_normal", "xavier_uniform", "lecun_normal"])
def test_a_weight_tied_to_uses_of_other_scales_is_refused_with_both_names(
    recipe: str, first: str
) -> None:
    model = _Language(first)
    before = parameter_bits(model)
    with pytest.raises(ModelError) as caught:
        fanin.init_(model, recipe)
    message = str(caught.value)
    for part in ("'table.weight'", "'head.weight'", "embedding", "linear", "normal:0.02"):
        assert part in message, f"no {part} in: {message}"
    assert_same_parameters(model, before)


@pytest.mark.parametrize("first", ["table", "head"])
def test_a_weight_tied_to_uses_of_other_scales_can_be_drawn_at_one_scale(first: str) -> None:
    model = fanin.init_(_Language(first), "normal:0.02")
    assert model.head.weight is model.table.weight
    assert_std(model.head.weight.detach().numpy(), 0.02, 3.0, RATE, "the tied weight")


def test_a_new_layer_changes_no_other_layer() -> None:
    small = fanin.init_(nn.ModuleDict({"a": nn.Linear(5, 4), "b": nn.Linear(4, 3)}), "he_normal")
    large = nn.ModuleDict(
        {"new": nn.Conv1d(3, 3, 3), "a": nn.Linear(5, 4), "b": nn.Linear(4, 3), "z": nn.PReLU()}
    )
    fanin.init_(large, "he_normal")
    kept = {name: b for name, b in parameter_bits(large).items() if name[0] in "ab"}
    assert kept == parameter_bits(small)


def test_a_compiled_model_gets_the_same_bits() -> None:
    plain = fanin.init_(three_layers(), "he_normal", seed=2)
    inner = three_layers()
    with warnings.catch_warnings():
        # Importing torch's compiler warns of torch's own deprecations.
        warnings.simplefilter("ignore")
        inner[2] = torch.compile(inner[2])
        compiled = torch.compile(inner)
    names = [name for name, _ in compiled.named_parameters()]
    assert names[2] == "_orig_mod.2._orig_mod.weight"
    fanin.init_(compiled, "he_normal", seed=2)
    got = {n.replace("_orig_mod.", ""): b for n, b in parameter_bits(compiled).items()}
    assert got == parameter_bits(plain)


def test_the_number_of_threads_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    drawn = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            monkeypatch.setenv("FANIN_NUM_THREADS", str(threads))
            # Long enough that the fill is cut into pieces.
            drawn.append(bits(fanin.init_(nn.Linear(1024, 1024), "he_normal").weight))
    finally:
        torch.set_num_threads(before)
    assert drawn[0] == drawn[1] == drawn[2]


def test_parameters_of_equal_shape_differ() -> None:
    model = fanin.init_(three_layers(), "he_normal")
    weights = [bits(model[i].weight) for i in (0, 2, 4)]
    assert len(set(weights)) == 3


def test_another_seed_is_another_draw_and_the_same_seed_the_same() -> None:
    drawn = [parameter_bits(fanin.init_(three_layers(), "he_normal", seed=s)) for s in (1, 2, 1)]
    assert drawn[0] == drawn[2]
    assert drawn[0]["0.weight"] != drawn[1]["0.weight"]


@pytest.mark.parametrize("recipe", ["he_normal", "default"])
def test_global_generators_are_untouched(recipe: str) -> None:
    model = three_layers()
    with untouched_generators():
        fanin.init_(model, recipe)


def test_global_generators_have_no_influence() -> None:
    drawn = []
    for global_seed in (1, 2):
        with torch.random.fork_rng():
            torch.manual_seed(global_seed)
            drawn.append(parameter_bits(fanin.init_(three_layers(), "he_normal")))
    assert drawn[0] == drawn[1]


def test_parameters_stay_the_same_objects_with_their_gradients_and_flags() -> None:
    model = three_layers()
    model[0].weight.requires_grad_(requires_grad=False)
    model(torch.ones(2, 6)).sum().backward()
    parameters = list(model.parameters())
    places = [p.data_ptr() for p in parameters]
    gradients = [None if p.grad is None else (p.grad, p.grad.clone()) for p in parameters]
    assert sum(g is not None for g in gradients) == 5
    fanin.init_(model, "he_normal")
    assert all(a is b for a, b in zip(model.parameters(), parameters, strict=True))
    assert [p.data_ptr() for p in parameters] == places
    assert [p.requires_grad for p in parameters] == [False, True, True, True, True, True]
    assert all(p.is_leaf for p in parameters)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        if gradient is None:
            assert parameter.grad is None
        else:
            assert parameter.grad is gradient[0]
            assert torch.equal(parameter.grad, gradient[1])


def test_buffers_and_mode_are_untouched() -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4))
    model(torch.randn(8, 1, 5, 5))
    model[1].eval()
    buffers = {name: bits(b) for name, b in model.named_buffers()}
    modes = [m.training for m in model.modules()]
    fanin.init_(model, "he_normal")
    assert {name: bits(b) for name, b in model.named_buffers()} == buffers
    assert [m.training for m in model.modules()] == modes


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_other_types_hold_the_same_numbers_rounded_once(dtype: torch.dtype) -> None:
    expected = fanin.init_(three_layers(), "he_normal")[2].weight.detach().to(dtype)
    got = fanin.init_(three_layers().to(dtype), "he_normal")[2].weight
    assert got.dtype is dtype
    assert bits(got) == bits(expected)


def test_memory_format_changes_no_number() -> None:
    plain = fanin.init_(nn.Conv2d(4, 8, 3), "he_normal")
    last = nn.Conv2d(4, 8, 3).to(memory_format=torch.channels_last)
    assert not last.weight.is_contiguous()
    fanin.init_(last, "he_normal")
    assert last.weight.is_contiguous(memory_format=torch.channels_last)
    assert bits(last.weight) == bits(plain.weight)


@pytest.mark.parametrize(
    ("part", "name", "kind"),
    [
        (lambda: nn.ParameterList([torch.ones(4)]), "1.0", "ParameterList"),
        (lambda: _Scaled(), "1.scale", "_Scaled"),
        (lambda: _scaled(nn.Linear(4, 4)), "1.scale", "Linear"),
        (lambda: _scaled(nn.LSTM(4, 4)), "1.scale", "LSTM"),
        (lambda: _scaled(nn.MultiheadAttention(4, 2)), "1.scale", "MultiheadAttention"),
        (lambda: _scaled(nn.LSTM(4, 4), "bias_hr_l0"), "1.bias_hr_l0", "LSTM"),
        (lambda: _scaled(nn.MultiheadAttention(4, 2), "bias_q"), "1.bias_q", "MultiheadAttention"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_parameter_of_unknown_role_is_an_error_with_its_name(
    part: Callable[[], nn.Module], name: str, kind: str
) -> None:
    model = nn.Sequential(nn.Linear(4, 4), part())
    before = parameter_bits(model)
    with pytest.raises(ModelError) as caught:
        fanin.init_(model, "he_normal")
    assert f"parameter {name!r}" in str(caught.value)
    assert kind in str(caught.value)
    assert_same_parameters(model, before)


class _Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))


def _scaled(module: nn.Module, name: str = "scale") -> nn.Module:
    """The module with a parameter that it does not know."""
    module.register_parameter(name, nn.Parameter(torch.ones(4)))
    return module


def test_a_plan_reads_the_model_only_and_has_its_parameters_in_order() -> None:
    model = nn.Sequential(nn.Embedding(5, 3, padding_idx=1), nn.Linear(3, 2), nn.LayerNorm(2))
    before = parameter_bits(model)
    plan = OneScheme(he_normal()).plan(model)
    assert_same_parameters(model, before)
    assert [row.parameter for row in plan.rows] == [n for n, _ in model.named_parameters()]
    assert [row.shape for row in plan.rows] == [tuple(p.shape) for p in model.parameters()]
    assert [row.padding_index for row in plan.rows] == [1, None, None, None, None]
    assert plan.recipe == "he_normal()"
    assert all(row.reason for row in plan.rows)
    assert_close(plan.rows[1].std, math.sqrt(2 / 3), 1e-12, "std of the linear weight")


def test_a_plan_cites_each_source_once() -> None:
    lines = OneScheme(he_normal()).plan(three_layers()).citation().splitlines()
    assert lines[0] == he_normal().citation
    assert len(lines) == len(set(lines)) == 2


def test_empty_weights_are_left_alone() -> None:
    model = nn.Sequential(nn.Linear(3, 3))
    with_empty = nn.Sequential(nn.Linear(3, 3), nn.ModuleList())
    with_empty[1].append(nn.Embedding(0, 4))
    fanin.init_(model, normal())
    plan = as_recipe(normal()).plan(with_empty)
    plan.init_(with_empty)
    assert plan.rows[-1].std == 0
    assert bits(with_empty[0].weight) == bits(model[0].weight)
