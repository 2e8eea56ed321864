"""siren, spectral and torch_default: what they promise of networks and of torch's modules.

One chance of a false alarm, ``FALSE_ALARM``, is divided evenly among the random checks.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.sparse.linalg import svds
from torch import nn
from torch.nn import functional

from fanin.errors import FanError
from fanin.fans import Layout, experts, linear, tied_head, transposed_linear
from fanin.recipes import default
from fanin.schemes import siren, spectral, torch_default, uniform
from tests.claims import assert_close, assert_mean_of_replicas, assert_p_value
from tests.schemes.subjects import assert_equal, drawn, of_layout

FALSE_ALARM = 1e-6
CHECKS = 60
RATE = FALSE_ALARM / CHECKS

# Of q = 1 - exp(-2 q), which is the second moment of w0 z from layer to layer.
FIXED_POINT = 0.7968121300


class TestSiren:
    WIDTH, LAYERS, SEEDS = 384, 7, 12

    @pytest.mark.parametrize("w0", [30.0, 15.0])
    def test_every_layer_spreads_its_sine_as_far(self, w0):
        """A first layer that spreads much, then layers on their way to the fixed point."""
        first, last, out = [], [], []
        for seed in range(self.SEEDS):
            rng = np.random.default_rng(seed)
            x = torch.from_numpy(rng.uniform(-1, 1, (512, 2)).astype(np.float32))
            weight = drawn(siren(w0, first=True), self.WIDTH, 2, seed=seed, name="0")
            z = w0 * functional.linear(x, weight)
            first.append(float(z.square().mean()))
            for layer in range(1, self.LAYERS):
                weight = drawn(siren(w0), self.WIDTH, self.WIDTH, seed=seed, name=f"{layer}")
                z = w0 * functional.linear(torch.sin(z), weight)
            last.append(float(z.square().mean()))
            out.append(float(torch.sin(z).square().mean()))
        assert_mean_of_replicas(np.array(first), w0**2 / 18, RATE, 0.25, "m2 of the first w0 z")
        assert_mean_of_replicas(np.array(last), FIXED_POINT, RATE, 0.1, "m2 of the last w0 z")
        assert_mean_of_replicas(np.array(out), FIXED_POINT / 2, RATE, 0.1, "m2 of its sine")

    def test_the_fixed_point_is_one(self):
        assert_close(1 - math.exp(-2 * FIXED_POINT), FIXED_POINT, 1e-10, "1 - exp(-2 q)")


class TestSpectral:
    @pytest.mark.parametrize("shape", [(1000, 500), (500, 1000), (700, 700)], ids=str)
    @pytest.mark.parametrize("gain", [1.0, 2.5])
    def test_the_largest_singular_value(self, shape, gain):
        outputs, inputs = shape
        weight = drawn(spectral(gain), *shape, name="w").double().numpy()
        (largest,) = svds(weight, k=1, v0=np.ones(min(shape)), return_singular_vectors=False)
        assert_close(
            float(largest), gain * math.sqrt(outputs / inputs), 0.02, "largest singular value"
        )

    def test_a_square_layer_keeps_a_quarter_of_the_second_moment(self):
        variance = spectral().std(linear((512, 512))) ** 2
        assert_close(512 * variance, 0.25, 1e-12, "second moment")


# A module, a weight of it, and what torch_default is told of it.
MODULES: dict[str, tuple[Callable[[], nn.Module], str, str]] = {
    "Linear": (lambda: nn.Linear(30, 20), "weight", "layer"),
    "Conv1d": (lambda: nn.Conv1d(6, 8, 5), "weight", "layer"),
    "Conv2d, groups": (lambda: nn.Conv2d(8, 12, (3, 2), groups=4), "weight", "layer"),
    "Conv3d": (lambda: nn.Conv3d(3, 4, 2), "weight", "layer"),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(6, 10, 3, stride=2), "weight", "layer"),
    "ConvTranspose2d, groups": (
        lambda: nn.ConvTranspose2d(6, 10, 3, groups=2),
        "weight",
        "layer",
    ),
    "Bilinear": (lambda: nn.Bilinear(5, 9, 6), "weight", "layer"),
    "Embedding": (lambda: nn.Embedding(12, 8), "weight", "layer"),
    "EmbeddingBag": (lambda: nn.EmbeddingBag(12, 8), "weight", "layer"),
    "RNN, inputs": (lambda: nn.RNN(5, 8), "weight_ih_l0", "layer"),
    "LSTM, inputs": (lambda: nn.LSTM(5, 8), "weight_ih_l0", "layer"),
    "LSTM, state": (lambda: nn.LSTM(5, 8), "weight_hh_l0", "layer"),
    "GRU, inputs": (lambda: nn.GRU(5, 8), "weight_ih_l0", "layer"),
    "GRUCell, state": (lambda: nn.GRUCell(5, 8), "weight_hh", "layer"),
    "MultiheadAttention": (lambda: nn.MultiheadAttention(8, 2), "in_proj_weight", "attention"),
    "MultiheadAttention, own keys": (
        lambda: nn.MultiheadAttention(8, 2, kdim=5, vdim=11),
        "k_proj_weight",
        "attention",
    ),
    "MultiheadAttention, output": (lambda: nn.MultiheadAttention(8, 2), "out_proj.weight", "layer"),
}
BIASES = {
    "Linear": "bias",
    "Conv1d": "bias",
    "Conv2d, groups": "bias",
    "Conv3d": "bias",
    "ConvTranspose1d": "bias",
    "ConvTranspose2d, groups": "bias",
    "Bilinear": "bias",
    "LSTM, inputs": "bias_ih_l0",
    "GRU, inputs": "bias_hh_l0",
}
POOLED = 4000


def layout_of(module: nn.Module, name: str) -> Layout:
    path, _, own = name.rpartition(".")
    return Layout.of(module.get_submodule(path), own)


def pooled_of_torch(make: Callable[[], nn.Module], name: str) -> np.ndarray:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        count = -(-POOLED // make().get_parameter(name).numel())
        drawn_by_torch = [make().get_parameter(name).detach().flatten() for _ in range(count)]
    return torch.cat(drawn_by_torch).numpy()


def pooled_of_ours(scheme: torch_default, layout: Layout, shape: torch.Size) -> np.ndarray:
    count = -(-POOLED // math.prod(shape))
    draws = [
        scheme.init_(torch.empty(shape), name=f"{i}", layout=layout).flatten() for i in range(count)
    ]
    return torch.cat(draws).numpy()


class TestTorchDefault:
    @pytest.mark.parametrize("kind", MODULES)
    def test_a_weight_is_drawn_as_its_module_draws_it(self, kind):
        make, name, of = MODULES[kind]
        module = make()
        scheme, layout = torch_default(of), layout_of(module, name)
        theirs = pooled_of_torch(make, name)
        ours = pooled_of_ours(scheme, layout, module.get_parameter(name).shape)
        p = float(stats.ks_2samp(ours, theirs).pvalue)
        assert_p_value(p, RATE, f"{kind} against torch (Kolmogorov, Smirnov)")
        if kind.startswith("Embedding"):
            return
        bound = scheme.law(layout).high
        farthest = float(np.abs(theirs).max())
        # The largest of 4000 uniform numbers is within 0.5 % of the bound but for the rate.
        assert 0.995 * bound <= farthest <= bound * (1 + 1e-6)
        assert float(np.abs(ours).max()) <= bound * (1 + 1e-6)

    @pytest.mark.parametrize("kind", BIASES)
    def test_a_bias_is_drawn_with_the_layout_of_its_weight(self, kind):
        make, name, of = MODULES[kind]
        module = make()
        theirs = pooled_of_torch(make, BIASES[kind])
        shape = module.get_parameter(BIASES[kind]).shape
        ours = pooled_of_ours(torch_default(of), layout_of(module, name), shape)
        p = float(stats.ks_2samp(ours, theirs).pvalue)
        assert_p_value(p, RATE, f"bias of {kind} against torch (Kolmogorov, Smirnov)")

    @pytest.mark.parametrize("kind", MODULES)
    def test_it_has_the_law_of_the_recipe_default(self, kind):
        make, name, of = MODULES[kind]
        module = make()
        rows = {row.parameter: row for row in default().plan(module).rows}
        law = rows[name].scheme.law(rows[name].layout)
        own = torch_default(of).law(layout_of(module, name))
        assert type(own) is type(law)
        assert_close(own.std, law.std, 1e-12, f"std of {kind}")
        assert own.mean == law.mean == 0

    @pytest.mark.parametrize(
        "layout", [experts((2, 4, 4)), tied_head((4, 4)), transposed_linear((4, 4))], ids=str
    )
    def test_what_torch_has_no_layer_for_stays(self, layout):
        weight = torch.full(layout.shape, 7.0)
        with pytest.raises(FanError) as error:
            torch_default().init_(weight, layout=layout)
        assert f"torch.nn has no layer with a weight of kind '{layout.op}'" in str(error.value)
        assert weight.eq(7).all()

    def test_packed_gates_are_one_draw_as_they_have_one_law(self):
        layout = Layout.of(nn.LSTM(5, 8), "weight_ih_l0")
        bound = 1 / math.sqrt(8)
        assert_equal(of_layout(torch_default(), layout), drawn(uniform(-bound, bound), 32, 5))
