"""Residual and normalised layers: known numbers, and real ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import batch_norm, layer_norm

from fanin.errors import InputError, UnknownNameError
from fanin.theory.mean_field import moments
from fanin.theory.residual import normalised_map, residual_map
from tests.claims import assert_close, assert_mean_of_replicas
from tests.theory.networks import FUNCTIONS, streams


def test_plain_sums_double_in_each_block() -> None:
    """2^L forward and backward."""
    profile = residual_map("relu", 12)
    assert profile.forward == pytest.approx(2.0 ** np.arange(13))
    assert profile.gradient == pytest.approx(2.0 ** np.arange(12, -1, -1))


def test_sums_overflow_quietly() -> None:
    for name in ("relu", "gelu", "tanh"):
        assert residual_map(name, 1200, 3.0).gradient_growth > 1.0
    assert residual_map("relu", 1200).forward_growth == math.inf


def test_scaled_sums_stay_bounded() -> None:
    """(1 + 1/L)^L -> e; with 1/L -> 1."""
    for layers in (48, 500):
        growth = residual_map("relu", layers, layers**-0.5).forward_growth
        assert growth == pytest.approx((1 + 1 / layers) ** layers)
    assert growth == pytest.approx(math.e, rel=0.01)
    assert residual_map("relu", 500, 1 / 500).forward_growth == pytest.approx(1.0, abs=0.003)


def test_pre_norm_grows_linearly() -> None:
    """q0 + L forward, gradient (q0 + L) / q0; branches times 1 / sqrt(2 L): 2."""
    profile = residual_map("relu", 48, placement="pre_norm", q0=2.0)
    assert profile.forward == pytest.approx(2.0 + np.arange(49))
    assert profile.gradient_growth == pytest.approx(50 / 2)
    gpt2 = residual_map("relu", 96, 96**-0.5, "pre_norm")
    assert gpt2.forward[-1] == pytest.approx(2.0)
    assert gpt2.gradient_growth == pytest.approx(2.0)


def test_post_norm_keeps_both() -> None:
    profile = residual_map("relu", 30, placement="post_norm")
    assert profile.forward == pytest.approx(np.ones(31))
    assert profile.gradient == pytest.approx(np.ones(31))


def test_batch_norm_makes_gradients_explode() -> None:
    """Yang et al., 1902.08129: pi / (pi - 1) for relu, whatever the weights' scale."""
    relu = normalised_map("relu", 10)
    assert relu.gradient_growth ** (1 / 10) == pytest.approx(math.pi / (math.pi - 1))
    assert math.pi / (math.pi - 1) == pytest.approx(1.4669, abs=5e-5)
    assert normalised_map("linear", 10).gradient_growth == pytest.approx(1.0)
    assert normalised_map("relu", 10, "layer").gradient_growth == pytest.approx(1.0)
    for name in ("tanh", "gelu", "selu", "sigmoid"):
        assert normalised_map(name, 1).gradient_growth > 1.0


def _normal(*shape: int, std: float, source: torch.Generator) -> Tensor:
    return torch.randn(*shape, generator=source) * std


@pytest.mark.parametrize("name", ["relu", "tanh"])
@pytest.mark.parametrize(
    ("placement", "scale"),
    [("plain", 1.0), ("plain", 0.4), ("pre_norm", 1.0), ("post_norm", 0.7)],
)
def test_real_residual_networks_agree(name: str, placement: str, scale: float) -> None:
    """False alarms: 1e-4 for each of 6 numbers a case."""
    width, replicas, layers = 256, 48, 4
    gain = moments(name).mean_square ** -0.5

    def norm(x: Tensor) -> Tensor:
        return layer_norm(x, (width,), eps=0.0)

    def block(x: Tensor, source: torch.Generator) -> Tensor:
        inner = norm(x) if placement == "pre_norm" else x
        first = _normal(replicas, width, width, std=width**-0.5, source=source)
        second = _normal(replicas, width, width, std=gain * width**-0.5, source=source)
        total = x + scale * torch.bmm(FUNCTIONS[name](torch.bmm(inner, first)), second)
        return norm(total) if placement == "post_norm" else total

    start = torch.ones(replicas, 1, width)
    start[..., ::2] = -1.0
    ran = streams(block, layers, start, seed=6)
    profile = residual_map(name, layers, scale, placement)  # type: ignore[arg-type]
    for layer in (2, 4):
        if placement == "post_norm":
            assert ran.forward(layer) == pytest.approx(1.0, abs=1e-4)
            continue
        expected = float(profile.forward[layer])
        assert_mean_of_replicas(ran.forward(layer), expected, 1e-4, 0.2, f"forward {layer}")
    for layer in (0, 2):
        expected = float(profile.gradient[layer])
        assert_mean_of_replicas(ran.backward(layer), expected, 1e-4, 0.2, f"gradient {layer}")


@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_real_batch_norm_agrees(name: str) -> None:
    """Growth per layer within 3%: width and batch are finite (measured: 0.8% in 8 seeds)."""
    width, batch, layers = 512, 512, 8

    def layer(x: Tensor, source: torch.Generator) -> Tensor:
        weight = _normal(width, width, std=3.0 * width**-0.5, source=source)
        return batch_norm(FUNCTIONS[name](x) @ weight, None, None, training=True, eps=1e-12)

    source = torch.Generator().manual_seed(8)
    start = batch_norm(
        _normal(batch, width, std=1.0, source=source), None, None, training=True, eps=1e-12
    )
    ran = streams(layer, layers, start, seed=7)
    squares = [float(np.square(g).mean()) for g in ran.gradients]
    growth = (squares[0] / squares[-2]) ** (1 / (layers - 1))
    assert_close(growth, normalised_map(name, 1).gradient_growth, 0.03, "growth per layer")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: residual_map("relu", 0), InputError, "layers must be a whole number"),
        (lambda: residual_map("relu", 3, -1.0), InputError, "scale must be a finite number"),
        (lambda: residual_map("relu", 3, q0=0.0), InputError, "q0 is a mean of squares"),
        (lambda: residual_map("relu", 3, placement="prenorm"), UnknownNameError, "pre_norm"),
        (lambda: normalised_map("relu", 3, "group"), UnknownNameError, "no norm is called"),
        (lambda: normalised_map("relu", 1.0), InputError, "layers must be a whole number"),
    ],
)
def test_bad_input_is_named(call: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()  # type: ignore[operator]
