"""Recurrent maps against real networks whose weights are tied over time."""

from __future__ import annotations

import math

import pytest
import torch

from fanin.errors import InputError
from fanin.theory.phases import chi_1
from fanin.theory.recurrent import recurrent_map
from tests.claims import assert_mean_of_replicas
from tests.theory.networks import FUNCTIONS


def test_inputs_count_as_a_bias() -> None:
    rnn = recurrent_map("tanh", 1.2, 0.3, sigma_in=0.5, input_mean_square=2.0)
    offset = math.sqrt(0.3**2 + 0.5**2 * 2.0)
    assert rnn.chi_1 == pytest.approx(chi_1("tanh", 1.2, offset))
    assert rnn.trajectory(50)[0] == pytest.approx(offset**2)
    (settled,) = rnn.fixed_points()
    assert rnn.trajectory(50)[-1] == pytest.approx(settled.value)
    assert rnn.memory == pytest.approx(-1 / math.log(rnn.chi_1))
    assert rnn.correlation().limit().value == pytest.approx(1.0)


def test_states_of_a_linear_network_at_its_gain_add_up() -> None:
    rnn = recurrent_map("linear", 1.0, sigma_in=0.5)
    assert rnn.trajectory(4) == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.25])
    assert rnn.memory == math.inf


@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize(("name", "sigma_w"), [("tanh", 1.3), ("relu", 1.2)])
def test_tied_weights_agree(name: str, sigma_w: float, fresh: bool) -> None:
    """False alarms: 1e-4 for each of 4 numbers. Inputs are new in each of 4 steps, or constant."""
    hidden, replicas, steps = 320, 80, 4
    source = torch.Generator().manual_seed(9)
    weight = torch.randn(replicas, hidden, hidden, generator=source) * sigma_w / hidden**0.5
    feed = torch.randn(replicas, hidden, hidden, generator=source) * 0.5 / hidden**0.5
    states: list[torch.Tensor] = []
    for t in range(steps + 1):
        if fresh or t == 0:
            x = torch.randn(replicas, hidden, 1, generator=source)
        drive = torch.bmm(feed, x / x.square().mean(1, keepdim=True).sqrt())
        state = drive if t == 0 else drive + torch.bmm(weight, FUNCTIONS[name](states[-1]))
        states.append(state if t else state.requires_grad_())
    loss = (states[-1] * torch.randn(states[-1].shape, generator=source)).sum()
    gradients = [g.square().mean((1, 2)) for g in torch.autograd.grad(loss, states)]
    rnn = recurrent_map(name, sigma_w, sigma_in=0.5)
    forward, backward = rnn.trajectory(steps), rnn.gradient(steps)
    for t in (2, 4):
        q = states[t].detach().square().mean((1, 2)).double().numpy()
        assert_mean_of_replicas(q, float(forward[t]), 1e-4, 0.2, f"state at {t}")
    for t in (0, 2):
        g = (gradients[t] / gradients[-1]).double().numpy()
        assert_mean_of_replicas(g, float(backward[t]), 1e-4, 0.25, f"gradient at {t}")


def test_bad_numbers_are_named() -> None:
    with pytest.raises(InputError, match="sigma_in must be"):
        recurrent_map("tanh", 1.0, sigma_in=-1.0)
    with pytest.raises(InputError, match="input_mean_square is a mean of squares"):
        recurrent_map("tanh", 1.0, input_mean_square=0.0)
    with pytest.raises(InputError, match="q0 is a mean of squares"):
        recurrent_map("tanh", 1.0, sigma_in=0.0).trajectory(3)
