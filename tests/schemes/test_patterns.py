"""identity, dirac and zero_hadamard: exact, as torch's operations see them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.linalg import hadamard
from torch.nn import functional, init

from fanin.errors import FanError
from fanin.fans import (
    conv,
    conv_transpose,
    einsum,
    embedding,
    experts,
    linear,
    packed,
    transposed_linear,
)
from fanin.schemes import dirac, identity, zero_hadamard
from tests.claims import assert_close, assert_errors_below
from tests.schemes.subjects import FLOATS, assert_equal, drawn, of_layout, singular_values


def numbers(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=shape)).to(dtype)


CONVOLUTIONS = {3: functional.conv1d, 4: functional.conv2d, 5: functional.conv3d}
TRANSPOSED = {
    3: functional.conv_transpose1d,
    4: functional.conv_transpose2d,
    5: functional.conv_transpose3d,
}
KERNELS = [(1,), (3,), (7,), (3, 5), (1, 3), (3, 3, 5)]


class TestIdentity:
    def test_a_linear_layer_gives_its_input_back(self):
        x = numbers(5, 6)
        assert_equal(functional.linear(x, drawn(identity(), 6, 6)), x)
        assert_equal(x @ of_layout(identity(), transposed_linear((6, 6))), x)
        weight = of_layout(identity(), experts((5, 6, 6)))
        assert_equal(torch.bmm(x[:, None], weight)[:, 0], x)

    @pytest.mark.parametrize("shape", [(3, 5), (5, 3), (1, 1), (1, 4)], ids=str)
    def test_what_has_no_partner_is_zero(self, shape):
        expected = -0.5 * torch.eye(*shape)
        assert_equal(drawn(identity(gain=-0.5), *shape), expected)
        assert_equal(of_layout(identity(gain=-0.5), transposed_linear(shape)), expected)

    def test_it_is_that_of_torch(self):
        assert_equal(drawn(identity(), 7, 4), init.eye_(torch.empty(7, 4)))

    def test_packed_blocks_copy_each_the_whole_input(self):
        weight = of_layout(identity(), packed(linear((9, 4)), (4, 4, 1)))
        assert_equal(weight, torch.cat([torch.eye(4), torch.eye(4), torch.eye(1, 4)]))

    def test_several_axes_count_as_one_in_their_order(self):
        weight = of_layout(identity(), einsum("bthd,hde->bte", (2, 3, 6)))
        x = numbers(1, 2, 2, 3)
        y = torch.einsum("bthd,hde->bte", x, weight)
        assert_equal(y, x.flatten(2))

    def test_a_table_starts_as_one_hot_rows(self):
        weight = of_layout(identity(), embedding((3, 5)))
        assert_equal(weight, torch.eye(3, 5))

    @pytest.mark.parametrize("layout", [linear((4, 9)), linear((9, 4))], ids=["wide", "tall"])
    def test_the_std(self, layout):
        assert_close(identity(3.0).std(layout), 3.0 * math.sqrt(4 / 36), 1e-12, "std")

    def test_a_kernel_is_for_dirac(self):
        weight = torch.full((4, 4, 3), 7.0)
        with pytest.raises(FanError, match="identity is for matrices; take dirac for a conv"):
            identity().init_(weight)
        assert weight.eq(7).all()


class TestDirac:
    @pytest.mark.parametrize("kernel", KERNELS, ids=str)
    def test_a_convolution_gives_its_input_back(self, kernel):
        x = numbers(2, 4, *(9,) * len(kernel))
        weight = drawn(dirac(), 4, 4, *kernel)
        padding = tuple(size // 2 for size in kernel)
        assert_equal(CONVOLUTIONS[weight.ndim](x, weight, padding=padding), x)
        assert_equal(TRANSPOSED[weight.ndim](x, weight, padding=padding), x)

    @pytest.mark.parametrize("kernel", KERNELS, ids=str)
    def test_so_does_a_grouped_one_whose_layout_says_so(self, kernel):
        x = numbers(2, 8, *(9,) * len(kernel))
        padding = tuple(size // 2 for size in kernel)
        weight = of_layout(dirac(), conv((8, 2, *kernel), groups=4))
        y = CONVOLUTIONS[weight.ndim](x, weight, padding=padding, groups=4)
        assert_equal(y, x)
        turned = of_layout(dirac(), conv_transpose((8, 2, *kernel), groups=4))
        assert_equal(TRANSPOSED[turned.ndim](x, turned, padding=padding, groups=4), x)
        depthwise = of_layout(dirac(), conv((8, 1, *kernel), groups=8))
        assert_equal(CONVOLUTIONS[weight.ndim](x, depthwise, padding=padding, groups=8), x)

    def test_a_transposed_convolution_between_unequal_sides(self):
        x = numbers(2, 3, 9)
        weight = of_layout(dirac(), conv_transpose((3, 5, 3)))
        y = functional.conv_transpose1d(x, weight, padding=1)
        assert_equal(y[:, :3], x)
        assert y[:, 3:].eq(0).all()

    @pytest.mark.parametrize("groups", [1, 2, 3, 6])
    @pytest.mark.parametrize(
        "shape", [(6, 4, 3), (6, 4, 4), (12, 2, 3, 2), (6, 9, 1, 3), (6, 6, 3, 3, 5)], ids=str
    )
    @pytest.mark.parametrize("dtype", FLOATS, ids=str)
    def test_it_is_that_of_torch(self, shape, groups, dtype):
        expected = init.dirac_(torch.full(shape, 7.0, dtype=dtype), groups)
        assert_equal(dirac(groups).init_(torch.full(shape, 7.0, dtype=dtype)), expected)
        ones = int(expected.count_nonzero())
        std = dirac(groups).std(conv(shape))
        assert_close(std, math.sqrt(ones / expected.numel()), 1e-12, "std")

    @pytest.mark.parametrize(
        ("groups", "layout", "text"),
        [
            (1, linear((4, 4)), "dirac is for convolutions; take identity for a linear weight"),
            (3, conv((4, 4, 3)), "dirac(groups=3) does not divide the 4 outputs of this conv"),
            (4, conv((4, 2, 3), groups=2), "dirac(groups=4) does not divide the 2 outputs"),
        ],
        ids=["no kernel", "groups", "groups of a group"],
    )
    def test_what_it_is_not_for_stays(self, groups, layout, text):
        weight = torch.full(layout.shape, 7.0)
        with pytest.raises(FanError) as error:
            dirac(groups).init_(weight, layout=layout)
        assert text in str(error.value)
        assert weight.eq(7).all()


def zero_of_the_paper(outputs: int, inputs: int) -> np.ndarray:
    """Algorithm 1: a partial identity, or one times a Hadamard matrix times another."""
    if outputs <= inputs:
        return np.eye(outputs, inputs)
    k = math.ceil(math.log2(outputs))
    order = 2**k
    return np.eye(outputs, order) @ hadamard(order) @ np.eye(order, inputs) / 2 ** (k / 2)


class TestZeroHadamard:
    @pytest.mark.parametrize(
        "shape",
        [(1, 1), (4, 4), (3, 9), (2, 1), (3, 2), (8, 5), (16, 15), (100, 64), (300, 7), (257, 256)],
        ids=str,
    )
    def test_it_is_the_matrix_of_the_paper(self, shape):
        weight = zero_hadamard().init_(torch.empty(shape, dtype=torch.float64))
        errors = weight.numpy() - zero_of_the_paper(*shape)
        assert_errors_below(errors, 2.0**-52, f"entries of {shape}")
        std = zero_hadamard().std(linear(shape))
        assert_close(float(weight.square().mean().sqrt()), std, 1e-12, "std")

    @pytest.mark.parametrize("outputs", [2, 16, 128, 256])
    def test_it_is_an_isometry_where_the_outputs_are_a_power_of_two(self, outputs):
        for inputs in (1, outputs // 2, outputs - 1):
            weight = drawn(zero_hadamard(), outputs, inputs).double().numpy()
            errors = weight.T @ weight - np.eye(inputs)
            assert_errors_below(errors, 1e-6, f"Gram of {outputs} x {inputs}")

    def test_elsewhere_some_directions_shrink(self):
        values = singular_values(drawn(zero_hadamard(), 100, 64))
        assert_close(float(values.min()), math.sqrt(0.5), 1e-5, "the least singular value")
        assert_close(float(values.max()), 1.0, 1e-5, "the greatest singular value")

    def test_a_square_one_is_the_identity(self):
        assert_equal(drawn(zero_hadamard(), 12, 12), torch.eye(12))

    @pytest.mark.parametrize("shape", [(12, 5), (5, 12)], ids=str)
    def test_of_a_convolution_it_is_the_centre_tap(self, shape):
        weight = drawn(zero_hadamard(), *shape, 3, 4)
        assert_equal(weight[:, :, 1, 2], drawn(zero_hadamard(), *shape))
        assert int(weight.count_nonzero()) == int(drawn(zero_hadamard(), *shape).count_nonzero())

    def test_groups_and_blocks_are_matrices_of_their_own(self):
        grouped = of_layout(zero_hadamard(), conv((12, 2, 3), groups=4))
        for group in grouped.split(3):
            assert_equal(group[:, :, 1], drawn(zero_hadamard(), 3, 2))
        blocks = of_layout(zero_hadamard(), packed(linear((9, 4)), (8, 1)))
        assert_equal(blocks[:8], drawn(zero_hadamard(), 8, 4))
        assert_equal(blocks[8:], torch.eye(1, 4))
