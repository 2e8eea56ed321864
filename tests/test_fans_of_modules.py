"""The layouts of modules: of torch.nn, of transformers, and what is not guessed."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest
import torch
from torch import nn

from fanin.errors import FanError
from fanin.fans import Layout, experts, linear, packed, recurrent, transposed_linear


@pytest.mark.parametrize(
    ("module", "fans"),
    [
        (nn.Linear(3, 5), (3, 5)),
        (nn.Conv1d(4, 6, 3), (12, 18)),
        (nn.Conv2d(32, 32, 3, groups=32), (9, 9)),
        (nn.Conv3d(4, 6, 2, groups=2), (16, 24)),
        (nn.ConvTranspose2d(8, 12, 4, stride=2), (32, 192)),
        (nn.ConvTranspose1d(8, 12, 4, groups=4), (8, 12)),
        (nn.Embedding(7, 5), (1, 5)),
        (nn.EmbeddingBag(7, 5), (1, 5)),
        (nn.EmbeddingBag(7, 5, mode="sum"), (1, 5)),
        (nn.Bilinear(3, 4, 5), (12, 20)),
        (nn.MultiheadAttention(8, 2).out_proj, (8, 8)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_layout_of_a_module(module: nn.Module, fans: tuple[float, float]) -> None:
    layout = Layout.of(module)
    assert (layout.fan_in, layout.fan_out) == fans
    assert layout.shape == tuple(module.weight.shape)
    assert layout == Layout.of(module, "weight")


def test_a_subclass_and_a_parametrised_module_are_what_they_extend() -> None:
    class Mine(nn.Linear):
        pass

    assert Layout.of(Mine(3, 5)) == linear((5, 3))
    normed = nn.utils.parametrizations.weight_norm(nn.Linear(3, 5))
    assert Layout.of(normed) == linear((5, 3))


def test_packed_attention() -> None:
    module = nn.MultiheadAttention(8, 2)
    assert Layout.of(module, "in_proj_weight") == packed(linear((24, 8)), 3)


def test_attention_with_projections_of_their_own() -> None:
    module = nn.MultiheadAttention(8, 2, kdim=5, vdim=3)
    layouts = [Layout.of(module, f"{letter}_proj_weight") for letter in "qkv"]
    assert layouts == [linear((8, 8)), linear((8, 5)), linear((8, 3))]
    with pytest.raises(FanError, match="its q_proj_weight, k_proj_weight, v_proj_weight"):
        Layout.of(module, "in_proj_weight")


RECURRENT: dict[str, tuple[Callable[..., nn.Module], int]] = {
    "RNN": (nn.RNN, 1),
    "RNN, relu": (functools.partial(nn.RNN, nonlinearity="relu"), 1),
    "GRU": (nn.GRU, 3),
    "LSTM": (nn.LSTM, 4),
}


@pytest.mark.parametrize("kind", RECURRENT)
def test_every_weight_of_a_recurrent_module(kind: str) -> None:
    make, gates = RECURRENT[kind]
    module = make(3, 5, num_layers=2, bidirectional=True)
    weights = [name for name, _ in module.named_parameters() if name.startswith("weight")]
    assert len(weights) == 8
    for name in weights:
        in_ = 5 if "hh" in name else 3 if "l0" in name else 10
        assert Layout.of(module, name) == recurrent((gates * 5, in_), gates), name


def test_an_lstm_with_a_projection() -> None:
    module = nn.LSTM(3, 5, num_layers=2, proj_size=2, bidirectional=True)
    for end in ("", "_reverse"):
        assert Layout.of(module, f"weight_ih_l0{end}") == recurrent((20, 3), 4)
        assert Layout.of(module, f"weight_ih_l1{end}") == recurrent((20, 4), 4)
        assert Layout.of(module, f"weight_hh_l1{end}") == recurrent((20, 2), 4)
        assert Layout.of(module, f"weight_hr_l1{end}") == linear((2, 5))


@pytest.mark.parametrize(("make", "gates"), [(nn.RNNCell, 1), (nn.GRUCell, 3), (nn.LSTMCell, 4)])
def test_a_recurrent_cell(make: Callable[..., nn.Module], gates: int) -> None:
    module = make(3, 5)
    assert Layout.of(module, "weight_ih") == recurrent((gates * 5, 3), gates)
    assert Layout.of(module, "weight_hh") == recurrent((gates * 5, 5), gates)


def test_a_cell_of_no_units_has_an_empty_weight() -> None:
    assert Layout.of(nn.RNNCell(3, 0), "weight_ih").fan_out == 0


def test_conv1d_of_transformers() -> None:
    from transformers.pytorch_utils import Conv1D

    assert Layout.of(Conv1D(7, 3)) == transposed_linear((3, 7))


def moe(kind: str) -> nn.Module:
    """The stack of experts of one layer, made from a small configuration."""
    if kind == "mixtral":
        from transformers.models.mixtral.configuration_mixtral import MixtralConfig as Config
        from transformers.models.mixtral.modeling_mixtral import MixtralExperts as Experts

        config = Config(hidden_size=8, intermediate_size=5, num_local_experts=3)
    else:
        from transformers.models.gpt_oss.configuration_gpt_oss import GptOssConfig as Config
        from transformers.models.gpt_oss.modeling_gpt_oss import GptOssExperts as Experts

        config = Config(hidden_size=8, intermediate_size=5, num_local_experts=3)
    return Experts(config)


def test_experts_of_transformers_that_store_outputs_first() -> None:
    module = moe("mixtral")
    gate_up = Layout.of(module, "gate_up_proj")
    assert gate_up == packed(experts((3, 10, 8), transposed=True), 2)
    assert gate_up.parts() == (experts((3, 5, 8), transposed=True),) * 2
    assert Layout.of(module, "down_proj") == experts((3, 8, 5), transposed=True)


def test_experts_of_transformers_that_store_inputs_first() -> None:
    module = moe("gpt_oss")
    assert Layout.of(module, "down_proj") == experts((3, 5, 8))
    # Gate and value alternate: no blocks, so no fan_out that is right for both.
    with pytest.raises(FanError, match=r"no fan_in for the gate_up_proj of GptOssExperts"):
        Layout.of(module, "gate_up_proj")


class _Experts(nn.Module):
    """A stack that does not say which of its axes is in."""

    def __init__(self) -> None:
        super().__init__()
        self.down_proj = nn.Parameter(torch.zeros(3, 8, 5))
        self.is_transposed = False


def test_experts_of_unknown_origin_are_not_guessed() -> None:
    with pytest.raises(FanError) as error:
        Layout.of(_Experts(), "down_proj")
    assert "no fan_in for the down_proj of _Experts" in str(error.value)
    assert "fanin.fans.experts((3, 8, 5)) for a stack" in str(error.value)


@pytest.mark.parametrize("claim", [None, "no", 1])
def test_experts_that_do_not_say_how_they_are_stored_are_not_guessed(claim: object) -> None:
    module = moe("mixtral")
    module.is_transposed = claim
    with pytest.raises(FanError, match=r"fanin\.fans\.experts\(\(3, 8, 5\)\) for a stack"):
        Layout.of(module, "down_proj")


@pytest.mark.parametrize("module", [nn.LayerNorm(4), nn.PReLU(), nn.ReLU(), "a module", None])
def test_a_module_without_known_fans(module: object) -> None:
    with pytest.raises(FanError) as error:
        Layout.of(module)
    kind = type(module).__name__
    assert f"no fan_in for the weight of {kind}: fans are known for Linear," in str(error.value)
    assert "LSTM, GRU and their cells, MultiheadAttention" in str(error.value)
    assert "Build the layout of the operation that uses it" in str(error.value)


@pytest.mark.parametrize(
    ("module", "name", "known"),
    [
        (nn.Linear(3, 4), "bias", "weight"),
        (nn.Linear(3, 4), "wieght", "weight"),
        (nn.LSTM(3, 4), "weight", "weight_ih_l0, weight_hh_l0"),
        (nn.LSTM(3, 4), "bias_ih_l0", "weight_ih_l0, weight_hh_l0"),
        (nn.LSTM(3, 4), "weight_ih_l1", "weight_ih_l0, weight_hh_l0"),
        (nn.GRUCell(3, 4), "weight_ih_l0", "weight_ih, weight_hh"),
        (nn.MultiheadAttention(8, 2), "in_proj_bias", "in_proj_weight"),
        (nn.MultiheadAttention(8, 2, add_bias_kv=True), "bias_k", "in_proj_weight"),
    ],
)
def test_a_parameter_without_fans_beside_some_that_have_them(
    module: nn.Module, name: str, known: str
) -> None:
    with pytest.raises(FanError) as error:
        Layout.of(module, name)
    kind = type(module).__name__
    assert str(error.value) == f"no fan_in for the {name} of {kind}: fans are known for its {known}"


def test_a_lazy_module_has_no_fans_yet() -> None:
    with pytest.raises(FanError, match=r"it is lazy and has no shape yet\. Run one forward pass"):
        Layout.of(nn.LazyLinear(3))
