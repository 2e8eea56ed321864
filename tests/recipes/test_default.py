"""The recipe ``default`` against torch's own constructors, many times over."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import nn

import fanin
from fanin.errors import ModelError
from fanin.noise import Constant, Normal, Uniform
from fanin.recipes import Default
from fanin.schemes import zeros
from tests.claims import assert_mean_of, assert_p_value, assert_std
from tests.recipes.state import assert_same_parameters, bits, parameter_bits

# Chance that one check fails although the claim is true; some 500 checks are made.
RATE = 1e-7
# Numbers of each parameter that are looked at: enough to tell a bound 1 % off, as the
# largest of 4000 uniform numbers is within 0.4 % of the bound except with chance 1e-7.
POOLED = 4000

MODULES: dict[str, Callable[[], nn.Module]] = {
    "Linear": lambda: nn.Linear(30, 20),
    "Linear without bias": lambda: nn.Linear(7, 20, bias=False),
    "Conv1d": lambda: nn.Conv1d(6, 8, 5),
    "Conv2d, groups": lambda: nn.Conv2d(8, 12, (3, 2), groups=4),
    "Conv3d": lambda: nn.Conv3d(3, 4, 2),
    "ConvTranspose1d": lambda: nn.ConvTranspose1d(6, 10, 3, stride=2),
    "ConvTranspose2d, groups": lambda: nn.ConvTranspose2d(6, 10, 3, groups=2),
    "ConvTranspose3d": lambda: nn.ConvTranspose3d(3, 5, 2),
    "Bilinear": lambda: nn.Bilinear(5, 9, 6),
    "Embedding": lambda: nn.Embedding(12, 8),
    "EmbeddingBag": lambda: nn.EmbeddingBag(12, 8),
    "PReLU": lambda: nn.PReLU(5, init=0.3),
    "BatchNorm1d": lambda: nn.BatchNorm1d(6),
    "BatchNorm2d": lambda: nn.BatchNorm2d(6),
    "BatchNorm3d": lambda: nn.BatchNorm3d(6),
    "InstanceNorm2d": lambda: nn.InstanceNorm2d(6, affine=True),
    "LayerNorm": lambda: nn.LayerNorm((2, 6)),
    "GroupNorm": lambda: nn.GroupNorm(2, 6),
    "RMSNorm": lambda: nn.RMSNorm(6),
    "RNN": lambda: nn.RNN(5, 8, nonlinearity="relu"),
    "GRU": lambda: nn.GRU(5, 8, num_layers=2, bidirectional=True),
    "LSTM": lambda: nn.LSTM(5, 8),
    "LSTM with projection": lambda: nn.LSTM(5, 8, proj_size=3),
    "RNNCell": lambda: nn.RNNCell(5, 8),
    "GRUCell": lambda: nn.GRUCell(5, 8),
    "LSTMCell": lambda: nn.LSTMCell(5, 8),
    "MultiheadAttention": lambda: nn.MultiheadAttention(8, 2),
    "MultiheadAttention, bias_k and bias_v": lambda: nn.MultiheadAttention(8, 2, add_bias_kv=True),
    "MultiheadAttention, own q, k, v": lambda: nn.MultiheadAttention(8, 2, kdim=5, vdim=11),
    "MultiheadAttention without bias": lambda: nn.MultiheadAttention(8, 2, bias=False),
    "TransformerEncoderLayer": lambda: nn.TransformerEncoderLayer(8, 2, 12, batch_first=True),
    "TransformerDecoderLayer": lambda: nn.TransformerDecoderLayer(8, 2, 12, batch_first=True),
    "AdaptiveLogSoftmaxWithLoss": lambda: nn.AdaptiveLogSoftmaxWithLoss(16, 20, [5, 10]),
    "a subclass that draws as its parent": lambda: _Renamed(6, 4),
}


class _Renamed(nn.Linear):
    pass


def _constructed(make: Callable[[], nn.Module]) -> dict[str, NDArray[np.float32]]:
    """Parameter name -> numbers that torch's constructor drew for it, from many calls."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(20)
        smallest = min(p.numel() for p in make().parameters())
        made = [make() for _ in range(-(-POOLED // smallest))]
    return {
        name: np.concatenate(
            [m.get_parameter(name).detach().numpy().ravel() for m in made[: -(-POOLED // size)]]
        )
        for name, size in ((n, p.numel()) for n, p in made[0].named_parameters())
    }


def _assert_drawn_by(sample: NDArray[np.float32], law: object, what: str) -> None:
    """The sample has the law's mean, standard deviation and, where it has any, bounds."""
    if isinstance(law, Constant):
        off = float(np.abs(sample - np.float32(law.value)).max())
        assert off == 0, f"{what}: up to {off:g} away from {law.value:g}"
        return
    assert isinstance(law, Uniform | Normal), f"{what}: {law}"
    assert_mean_of(sample, law.mean, law.std, RATE, f"mean of {what}")
    if isinstance(law, Normal):
        assert_std(sample, law.std, 3.0, RATE, what)
        return
    assert_std(sample, law.std, 1.8, RATE, what)
    farthest, bound = float(np.abs(sample).max()), law.high
    assert farthest <= bound * (1 + 1e-6), f"{what}: {farthest:g} beyond the bound {bound:g}"
    lowest = bound * RATE ** (1 / sample.size)
    assert farthest >= lowest, f"{what}: {farthest:g} is far below the bound {bound:g}"


@pytest.mark.parametrize("kind", MODULES)
def test_the_plan_has_the_law_of_torchs_constructor(kind: str) -> None:
    make = MODULES[kind]
    drawn = _constructed(make)
    rows = {row.parameter: row for row in Default().plan(make()).rows}
    assert rows.keys() == drawn.keys()
    for name, sample in drawn.items():
        _assert_drawn_by(sample, rows[name].scheme.law(rows[name].layout), f"{name} of {kind}")


@pytest.mark.parametrize("kind", MODULES)
def test_init_draws_what_torchs_constructor_draws(kind: str) -> None:
    make = MODULES[kind]
    model = make()
    drawn: dict[str, list[NDArray[np.float32]]] = {n: [] for n, _ in model.named_parameters()}
    for seed in range(24):
        fanin.init_(model, "default", seed=seed)
        for name, parameter in model.named_parameters():
            drawn[name].append(parameter.detach().numpy().ravel().copy())
    for name, sample in _constructed(make).items():
        own = np.concatenate(drawn[name])
        if np.ptp(sample) == 0:
            assert np.unique(own).tolist() == [sample[0]], f"{name} of {kind}: {np.unique(own)}"
        else:
            p = float(stats.ks_2samp(own, sample).pvalue)
            assert_p_value(p, RATE, f"{name} of {kind} against torch (Kolmogorov, Smirnov)")


def test_the_layers_of_a_transformer_are_redrawn_as_its_constructor_does_or_refused() -> None:
    # Transformer's constructor draws the weights of its layers a second time (Xavier).
    def make() -> nn.Module:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a nested tensor that torch then does not use
            return nn.Transformer(8, 2, 1, 1, 12, batch_first=True)

    name = "encoder.layers.0.linear1.weight"
    drawn = _constructed(make)[name]
    try:
        plan = Default().plan(make())
    except ModelError as error:
        assert "Transformer" in str(error)  # noqa: PT017 - one of two right outcomes
        return
    row = next(row for row in plan.rows if row.parameter == name)
    _assert_drawn_by(drawn, row.scheme.law(row.layout), f"{name} of Transformer")


@pytest.mark.parametrize("padding", [3, -1])
@pytest.mark.parametrize("kind", [nn.Embedding, nn.EmbeddingBag])
def test_the_padding_row_is_zero_as_torch_has_it(kind: type[nn.Embedding], padding: int) -> None:
    model = kind(7, 4, padding_idx=padding)
    nn.init.ones_(model.weight)
    fanin.init_(model, "default")
    zero = (model.weight == 0).all(1)
    assert zero.nonzero().flatten().tolist() == [padding % 7]


def test_a_bias_of_attention_is_zero_inside_a_larger_model_too() -> None:
    model = nn.ModuleDict({"block": nn.TransformerEncoderLayer(8, 2, 12, batch_first=True)})
    rows = {row.parameter: row for row in Default().plan(model).rows}
    assert rows["block.self_attn.out_proj.bias"].scheme == zeros()
    assert rows["block.self_attn.in_proj_bias"].scheme == zeros()
    assert rows["block.linear1.bias"].scheme != zeros()
    assert list(rows) == [name for name, _ in model.named_parameters()]


class _OwnReset(nn.Linear):
    def reset_parameters(self) -> None:
        nn.init.eye_(self.weight)
        nn.init.zeros_(self.bias)


class _OwnResetInherited(_OwnReset):
    pass


class _OwnAttention(nn.MultiheadAttention):
    def _reset_parameters(self) -> None:
        for parameter in self.parameters():
            nn.init.ones_(parameter)


class _OwnParameter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))


class _LinearWithOwnParameter(nn.Linear):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.scale = nn.Parameter(torch.ones(outputs))


class _AttentionWithOwnParameter(nn.MultiheadAttention):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__(width, heads)
        self.scale = nn.Parameter(torch.ones(heads))


def _weight_normed() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the old form is what is tested
        return nn.utils.weight_norm(nn.Linear(4, 4))


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: _OwnReset(4, 4), "1.weight"),
        (lambda: _OwnResetInherited(4, 4), "1.weight"),
        (lambda: _OwnAttention(4, 2), "1.in_proj_weight"),
        (_OwnParameter, "1.scale"),
        (lambda: _LinearWithOwnParameter(4, 4), "1.scale"),
        (lambda: _AttentionWithOwnParameter(4, 2), "1.scale"),
        (_weight_normed, "1.weight_g"),
        (
            lambda: nn.utils.parametrizations.weight_norm(nn.Linear(4, 4)),
            "1.parametrizations.weight.original0",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_torch_does_not_draw_is_an_error_with_its_name(
    make: Callable[[], nn.Module], name: str
) -> None:
    model = nn.Sequential(nn.Linear(4, 4), make())
    before = parameter_bits(model)
    with pytest.raises(ModelError) as caught:
        fanin.init_(model, "default")
    assert repr(name) in str(caught.value)
    assert "another recipe" in str(caught.value)
    assert_same_parameters(model, before)


def test_the_draw_depends_on_seed_and_name_only() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    first = parameter_bits(fanin.init_(model, "default", seed=1))
    assert first["0.weight"] != first["1.weight"]
    assert parameter_bits(fanin.init_(model, "default", seed=2))["0.weight"] != first["0.weight"]
    longer = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4))
    fanin.init_(longer, "default", seed=1)
    assert bits(longer[1].weight) == first["1.weight"]


def test_a_model_without_parameters_has_an_empty_plan() -> None:
    assert Default().plan(nn.ReLU()).rows == ()
