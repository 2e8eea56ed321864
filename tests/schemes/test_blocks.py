"""Parts of one tensor: blocks, units, given numbers, and the gates of recurrent layers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given as for_any
from hypothesis import settings
from hypothesis import strategies as st
from scipy import stats

import fanin
from fanin.errors import FanError, InputError, UnknownNameError
from fanin.fans import Layout, conv, conv_transpose, linear, packed, recurrent, transposed_linear
from fanin.schemes import (
    blocks,
    chrono_bias,
    constant,
    given,
    he_normal,
    identity,
    masked,
    normal,
    ones,
    orthogonal,
    per_unit,
    scaled,
    uniform,
    xavier_normal,
    xavier_uniform,
    zeros,
)
from tests.schemes.subjects import assert_equal, drawn, of_layout

GROUPED_QUERIES = packed(linear((96, 64)), (64, 16, 16))


class TestBlocks:
    def test_each_block_is_a_tensor_of_its_own_noise_and_fans(self):
        scheme = blocks(orthogonal(), xavier_normal(), scaled(xavier_uniform(), 0.5))
        whole = of_layout(scheme, GROUPED_QUERIES, seed=3, name="qkv")
        start = 0
        for i, (inner, part) in enumerate(
            zip(scheme.schemes, GROUPED_QUERIES.parts(), strict=True)
        ):
            rows = part.shape[0]
            alone = of_layout(inner, part, seed=3, name=f"qkv#{i}")
            assert_equal(whole[start : start + rows], alone, f"block {i}")
            start += rows

    def test_the_out_axis_of_the_layout_is_cut(self):
        scheme = blocks(zeros(), ones())
        stored_in_first = of_layout(scheme, transposed_linear((3, 4)))
        assert_equal(stored_in_first, torch.tensor([[0.0, 0.0, 1.0, 1.0]] * 3))
        assert_equal(drawn(scheme, 4, 3), torch.tensor([0.0, 0.0, 1.0, 1.0])[:, None].repeat(1, 3))
        transposed = of_layout(scheme, conv_transpose((3, 2, 5)))
        assert_equal(transposed[:, 1], torch.ones(3, 5))
        assert_equal(transposed[:, 0], torch.zeros(3, 5))

    def test_a_weight_that_is_not_packed_is_cut_in_equal_blocks_with_fans_of_their_own(self):
        (first, second) = blocks(he_normal(), zeros()).layouts(linear((64, 16)))
        assert first.shape == second.shape == (32, 16)
        assert (first.fan_in, first.fan_out) == (16, 32)
        sizes = blocks(he_normal(), zeros(), sizes=(48, 16)).layouts(linear((64, 16)))
        assert [part.fan_out for part in sizes] == [48, 16]

    def test_std_is_the_mean_of_squares_over_the_elements(self):
        scheme = blocks(normal(std=3.0), zeros(), normal(std=1.0))
        assert scheme.std(GROUPED_QUERIES) == pytest.approx(math.sqrt((64 * 9 + 16) / 96))
        assert scheme.std() == pytest.approx(math.sqrt(10 / 3))
        assert blocks(ones(), normal(std=2.0), sizes=(3, 1)).std() == pytest.approx(1.0)

    def test_equal_schemes_in_equal_blocks_are_the_scheme_itself_in_law(self):
        layout = recurrent((64, 12), 4)
        scheme = blocks(*(xavier_uniform() for _ in range(4)))
        assert scheme.std(layout) == pytest.approx(xavier_uniform().std(layout), rel=1e-12)

    @settings(max_examples=50, deadline=None)
    @for_any(st.lists(st.integers(1, 7), min_size=1, max_size=5), st.integers(1, 4))
    def test_any_sizes_are_filled_by_their_schemes(self, sizes, width):
        scheme = blocks([constant(i) for i in range(len(sizes))], sizes=sizes)
        weight = drawn(scheme, sum(sizes), width)
        expected = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes)).float()
        assert_equal(weight, expected[:, None].repeat(1, width))

    @pytest.mark.parametrize(
        ("scheme", "layout", "text"),
        [
            (blocks(zeros(), ones()), GROUPED_QUERIES, "packed into blocks of"),
            (blocks(*[zeros()] * 3, sizes=(32, 32, 32)), GROUPED_QUERIES, "packed into blocks of"),
            (blocks(zeros(), ones()), linear((5, 4)), "2 equal blocks do not divide an axis of 5"),
            (blocks(zeros(), ones(), sizes=(2, 2)), linear((5, 4)), "add up to 4, not to the 5"),
            (blocks(zeros(), ones()), conv((6, 2, 3), groups=3), "cut through groups"),
            (blocks(zeros(), identity()), conv((6, 2, 3)), "take dirac"),
            (
                blocks(zeros(), blocks(ones(), masked(ones(), torch.ones(3, 3)))),
                linear((8, 4)),
                r"mask has shape \(3, 3\)",
            ),
            (blocks(zeros(), given(torch.ones(3))), linear((4, 4)), r"shape \(3,\)"),
            (blocks(zeros(), per_unit(ones(), [1.0])), linear((4, 4)), "1 factors are not for"),
            (blocks(zeros(), chrono_bias(9)), linear((4, 4)), "4 gates"),
        ],
    )
    def test_what_does_not_fit_is_refused_before_anything_is_written(self, scheme, layout, text):
        tensor = torch.full(layout.shape, 7.0)
        with pytest.raises(InputError, match=text):
            scheme.init_(tensor, layout=layout)
        assert torch.all(tensor == 7.0)

    @pytest.mark.parametrize(
        ("make", "text"),
        [
            (lambda: blocks(), "needs a scheme for each block"),
            (lambda: blocks(he_normal), "must be a scheme"),
            (lambda: blocks(zeros(), 3), "must be a scheme"),
            (lambda: blocks(zeros(), sizes=(1, 2)), "for each of 1 blocks"),
            (lambda: blocks(zeros(), ones(), sizes=(1, 0)), "positive integer"),
            (lambda: blocks(zeros(), ones(), sizes=(1, 2.5)), "positive integer"),
            (lambda: per_unit(ones(), "12"), "factors must be numbers"),
            (lambda: per_unit(ones(), [1.0, math.nan]), "a factor must be a number"),
            (lambda: per_unit(ones(), [[1.0]]), "a factor must be a number"),
            (lambda: given([[1.0], [1.0, 2.0]]), "values must be numbers"),
            (lambda: given("abc"), "values must be numbers"),
            (lambda: given([math.inf]), "finite"),
            (lambda: given([1e300]), "within the range of float32"),
            (lambda: chrono_bias(1), "steps must lie between 2"),
            (lambda: chrono_bias("long"), "steps must be a number"),
        ],
    )
    def test_what_makes_no_scheme_is_refused(self, make, text):
        with pytest.raises(InputError, match=text):
            make()

    def test_it_goes_into_a_model_all_or_nothing(self):
        model = torch.nn.Linear(4, 6)
        plan = fanin.recipes.as_recipe(blocks(zeros(), he_normal())).plan(model)
        plan.init_(model)
        assert torch.all(model.weight[:3] == 0)
        assert torch.all(model.weight[3:] != 0)
        before = {name: one.clone() for name, one in model.named_parameters()}
        inner = masked(per_unit(ones(), [1.0] * 3), torch.ones(4, 4))
        with pytest.raises(InputError, match="3 factors"):
            fanin.init_(model, blocks(ones(), inner, sizes=(2, 4)))
        for name, one in model.named_parameters():
            assert_equal(one.detach(), before[name])


class TestPerUnit:
    def test_each_unit_is_the_bases_times_its_factor(self):
        factors = [0.0, 1.0, -2.0, 0.5]
        expected = drawn(he_normal(), 4, 6, name="w") * torch.tensor(factors)[:, None]
        assert_equal(drawn(per_unit(he_normal(), factors), 4, 6, name="w"), expected)

    def test_units_are_counted_along_the_out_axis(self):
        layout = transposed_linear((3, 2))
        weight = of_layout(per_unit(ones(), np.array([1, 5])), layout)
        assert_equal(weight, torch.tensor([[1.0, 5.0]] * 3))

    def test_std_counts_the_factors_of_each_block(self):
        factors = [1.0] * 64 + [2.0] * 16 + [0.0] * 16
        parts = [xavier_normal().std(part) for part in GROUPED_QUERIES.parts()]
        expected = math.sqrt((64 * parts[0] ** 2 + 16 * 4 * parts[1] ** 2) / 96)
        assert per_unit(xavier_normal(), factors).std(GROUPED_QUERIES) == pytest.approx(expected)

    def test_half_precision_is_rounded_once(self):
        scheme = per_unit(orthogonal(), [1 / 3] * 8)
        for dtype in (torch.bfloat16, torch.float16):
            got = of_layout(scheme, linear((8, 8)), dtype)
            assert_equal(got, of_layout(scheme, linear((8, 8))).to(dtype))

    def test_units_of_a_grouped_transposed_convolution_are_refused(self):
        with pytest.raises(FanError, match="every group has units of its own"):
            per_unit(ones(), [1.0, 2.0]).std(conv_transpose((4, 2, 3), groups=2))


class TestGiven:
    def test_the_numbers_are_those_given_in_every_type(self):
        values = torch.tensor([[1.0, -2.5], [1 / 3, 1e-8]], dtype=torch.float64)
        for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
            tensor = given(values).init_(torch.empty(2, 2, dtype=dtype))
            assert_equal(tensor, values.to(dtype))

    def test_a_copy_is_kept(self):
        values = torch.ones(3)
        scheme = given(values)
        values.zero_()
        assert_equal(drawn(scheme, 3), torch.ones(3))

    def test_equality_is_by_value_and_shape(self):
        assert given([1, 2]) == given(torch.tensor([1.0, 2.0]))
        assert hash(given([1, 2])) == hash(given(torch.tensor([1.0, 2.0])))
        assert given([1, 2]) != given([[1, 2]])
        assert given([1, 2]) != given([1, 3])
        assert given([0.0]) == given([-0.0])

    def test_std_is_the_root_mean_square(self):
        assert given([3.0, -4.0, 0.0, 0.0]).std() == pytest.approx(2.5)

    def test_another_shape_is_refused(self):
        tensor = torch.full((3,), 7.0)
        with pytest.raises(InputError, match=r"values have shape \(2,\), not \(3,\)"):
            given([1.0, 2.0]).init_(tensor)
        assert torch.all(tensor == 7.0)


class TestChronoBias:
    def test_the_forget_gate_of_an_lstm_remembers_up_to_the_longest_range(self):
        bias = drawn(chrono_bias(100), 4 * 5000, name="lstm.bias_ih_l0")
        i, f, g, o = bias.chunk(4)
        assert_equal(i, -f)
        assert torch.all(g == 0)
        assert torch.all(o == 0)
        fit = stats.kstest(np.exp(f.double().numpy()), "uniform", args=(1, 98))
        assert fit.pvalue > 1e-6

    def test_the_gate_that_keeps_the_state_of_a_gru_is_the_second(self):
        """With z near 1 and no inputs, torch's GRU cell keeps its state."""
        hidden = 4
        cell = torch.nn.GRUCell(3, hidden)
        with torch.no_grad():
            for parameter in cell.parameters():
                parameter.zero_()
        chrono_bias(1e6, "gru").init_(cell.bias_ih, name="bias")
        r, z, n = cell.bias_ih.detach().chunk(3)
        assert torch.all(r == 0)
        assert torch.all(n == 0)
        state = torch.ones(1, hidden)
        kept = cell(torch.zeros(1, 3), state)
        assert torch.allclose(kept, torch.sigmoid(z) * state)
        assert torch.all(kept > 0.99)

    @pytest.mark.parametrize("gates", ["lstm", "gru"])
    @pytest.mark.parametrize("steps", [2, 2.0001, 10, 784, 1e6])
    def test_std_is_the_root_mean_square(self, steps, gates):
        scheme = chrono_bias(steps, gates)
        sizes = np.linspace(1, steps - 1, 2_000_001)
        share = 2 / 4 if gates == "lstm" else 1 / 3
        expected = math.sqrt(np.mean(np.log(sizes) ** 2) * share)
        assert scheme.std() == pytest.approx(expected, rel=1e-4, abs=1e-12)

    def test_the_logarithm_is_right_to_the_last_bits(self):
        from fanin.schemes.recurrence import _log

        values = np.concatenate([1 + np.geomspace(1e-9, 1e18, 10_001), np.linspace(1, 3, 10_001)])
        assert np.allclose(_log(values), np.log(values), rtol=4e-16, atol=3e-16)

    def test_two_steps_are_no_memory(self):
        assert_equal(drawn(chrono_bias(2), 8), torch.zeros(8))

    def test_gates_that_do_not_fit_are_refused(self):
        with pytest.raises(FanError, match="4 gates, which do not divide"):
            drawn(chrono_bias(9), 6)
        with pytest.raises(UnknownNameError, match="Did you mean lstm"):
            chrono_bias(9, "lstn")


def test_a_plan_can_put_them_on_an_lstm():
    lstm = torch.nn.LSTM(3, 5)
    plan = fanin.recipes.as_recipe("orthogonal").plan(lstm)
    gates = blocks(identity(), zeros(), uniform(0.0, 1.0), orthogonal())
    row = plan.row("weight_hh_l0")
    plan = plan.replaced(
        [
            replace(row, scheme=gates),
            replace(plan.row("bias_ih_l0"), scheme=chrono_bias(20)),
        ]
    )
    plan.init_(lstm, seed=1)
    i, f, g, o = lstm.weight_hh_l0.detach().chunk(4)
    assert_equal(i, torch.eye(5))
    assert_equal(f, torch.zeros(5, 5))
    assert 0 <= g.min() < g.max() < 1
    assert torch.allclose(o @ o.T, torch.eye(5), atol=1e-5)
    assert isinstance(row.layout, Layout)
