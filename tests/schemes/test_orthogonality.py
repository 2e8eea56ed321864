"""orthogonal and delta_orthogonal: isometries as torch's operations see them, and Haar's law.

One chance of a false alarm, ``FALSE_ALARM``, is divided evenly among the random checks.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.nn import functional

from fanin.errors import FanError
from fanin.fans import (
    bilinear,
    conv,
    conv_transpose,
    einsum,
    experts,
    linear,
    matmul,
    packed,
    transposed_linear,
)
from fanin.noise import Stream
from fanin.noise.haar import fill_orthogonal
from fanin.schemes import delta_orthogonal, orthogonal
from tests.claims import (
    assert_close,
    assert_errors_below,
    assert_follows,
    assert_mean_of,
    assert_mean_of_replicas,
    assert_std,
)
from tests.schemes.subjects import assert_equal, drawn, of_layout, singular_values

FALSE_ALARM = 1e-6
CHECKS = 20
RATE = FALSE_ALARM / CHECKS

# Of Q^T Q from the identity, as the docstring promises it.
PRECISION = {torch.float32: 1e-6, torch.float64: 1e-13}
SIZES = [
    *((1, 1), (1, 5), (5, 1), (2, 2), (3, 2), (31, 33), (33, 31), (64, 64), (65, 130), (130, 65)),
    *((257, 256), (1024, 512), (512, 1024)),
]


def assert_orthogonal(matrix: Tensor, gain: float, what: str) -> None:
    """The shorter side is orthonormal times the gain."""
    wide = matrix.double().numpy()
    short = wide if wide.shape[0] <= wide.shape[1] else wide.T
    errors = short @ short.T - gain**2 * np.eye(len(short))
    assert_errors_below(errors, PRECISION[matrix.dtype] * gain**2, f"Gram of {what}")


def matrices(layout, weight: Tensor) -> list[Tensor]:
    """What the layout says are the matrices (out, in * taps) of a weight, by hand."""
    outs = list(layout.out_axes)
    rest = [axis for axis in range(weight.ndim) if axis not in (*outs, *layout.batch_axes)]
    ins = [*layout.in_axes, *(axis for axis in rest if axis not in layout.in_axes)]
    turned = weight.permute(*layout.batch_axes, *outs, *ins)
    rows = math.prod(weight.shape[axis] for axis in outs)
    columns = math.prod(weight.shape[axis] for axis in ins)
    return list(turned.reshape(-1, rows, columns))


WHOLE = {
    "conv wider than tall": conv((32, 16, 3, 3)),
    "conv taller than wide": conv((200, 8, 3, 3)),
    "conv1d": conv((6, 4, 5)),
    "conv_transpose": conv_transpose((8, 12, 4, 4), stride=2),
    "transposed_linear": transposed_linear((20, 50)),
    "bilinear": bilinear((7, 5, 3)),
    "experts": experts((6, 24, 40)),
    "matmul": matmul((2, 3, 8, 5)),
    "einsum": einsum("bthd,hde->bte", (4, 8, 20)),
    "einsum with a batch": einsum("gbi,gio->gbo", (3, 10, 6)),
}


class TestOrthogonal:
    @pytest.mark.parametrize("gain", [1.0, math.sqrt(2), 0.01], ids=str)
    @pytest.mark.parametrize("dtype", PRECISION, ids=str)
    @pytest.mark.parametrize("size", SIZES, ids=str)
    def test_the_shorter_side_is_orthonormal(self, size, dtype, gain):
        weight = orthogonal(gain).init_(torch.empty(size, dtype=dtype), name="w")
        assert_orthogonal(weight, gain, f"{size}")

    @pytest.mark.parametrize("dtype", PRECISION, ids=str)
    @pytest.mark.parametrize("layout", WHOLE.values(), ids=WHOLE)
    def test_each_matrix_that_the_operation_reads_is_orthogonal(self, layout, dtype):
        weight = of_layout(orthogonal(1.5), layout, dtype, name="w")
        found = matrices(layout, weight)
        for place, matrix in enumerate(found):
            assert_orthogonal(matrix, 1.5, f"matrix {place} of {layout.op}")
        signatures = {tuple(matrix.flatten()[:3].tolist()) for matrix in found}
        assert len(signatures) == len(found), "two matrices are the same"

    def test_groups_are_orthogonal_each_by_itself(self):
        weight = of_layout(orthogonal(), conv((12, 2, 3, 3), groups=4))
        for group in weight.split(3):
            assert_orthogonal(group.flatten(1), 1.0, "a group of a convolution")
        turned = of_layout(orthogonal(), conv_transpose((12, 2, 3), groups=4))
        for group in turned.split(3):
            assert_orthogonal(group.transpose(0, 1).flatten(1), 1.0, "a transposed group")

    @pytest.mark.parametrize("sizes", [(64, 16, 16), (32, 32, 32)], ids=str)
    def test_blocks_are_orthogonal_each_by_itself(self, sizes):
        weight = of_layout(orthogonal(), packed(linear((96, 64)), sizes))
        for block in weight.split(list(sizes)):
            assert_orthogonal(block, 1.0, f"a block of {len(block)} rows")
        whole = drawn(orthogonal(), 96, 64)
        assert np.ptp(singular_values(weight)) > 0.5, "the blocks together are no isometry"
        assert np.ptp(singular_values(whole)) < 1e-5

    @pytest.mark.parametrize("dtype", PRECISION, ids=str)
    def test_matrix_after_matrix_comes_from_draw_after_draw(self, dtype):
        weight = of_layout(orthogonal(0.5), experts((3, 7, 5)), dtype, seed=4, name="w")
        for draw, matrix in enumerate(weight):
            alone = torch.empty(5, 7, dtype=dtype)
            fill_orthogonal(alone.numpy(), Stream(4, "w", draw), 0.5)
            assert_equal(matrix, alone.T)

    @pytest.mark.parametrize("shape", [(48, 48), (48, 12), (12, 48)], ids=str)
    def test_the_forward_scale(self, shape):
        """gain^2 min(1, in / out): exactly, where the inputs are the fewer."""
        outputs, inputs = shape
        x = torch.from_numpy(np.random.default_rng(0).normal(size=(4000, inputs)))
        weight = orthogonal(1.7).init_(torch.empty(shape, dtype=torch.float64), name="w")
        y = functional.linear(x, weight)
        if inputs <= outputs:
            expected = 1.7**2 * inputs / outputs * float(x.square().mean())
            assert_close(float(y.square().mean()), expected, 1e-12, "second moment")
        else:
            assert_std(y.numpy(), 1.7, 3.0, RATE, "output of a narrowing layer")

    @pytest.mark.parametrize("shape", [(48, 48), (12, 48), (48, 12)], ids=str)
    def test_std_is_the_root_mean_square_of_every_draw(self, shape):
        weight = drawn(orthogonal(1.3), *shape)
        expected = 1.3 / math.sqrt(max(shape))
        assert_close(orthogonal(1.3).std(linear(shape)), expected, 1e-12, "std")
        assert_close(float(weight.square().mean().sqrt()), expected, 1e-6, "drawn")

    @pytest.mark.parametrize("scheme", [orthogonal(0.0), delta_orthogonal(0.0)], ids=repr)
    def test_a_gain_of_zero(self, scheme):
        assert drawn(scheme, 6, 4, 3).eq(0).all()


SIZE, COUNT = 4, 6000


@pytest.fixture(scope="module")
def sample() -> np.ndarray:
    """Many small square matrices."""
    layout = experts((COUNT, SIZE, SIZE))
    return of_layout(orthogonal(), layout, torch.float64, name="haar").numpy()


class TestHaar:
    """Moments of the orthogonal group that a matrix of any other law would miss."""

    @pytest.mark.parametrize("place", [(0, 0), (0, 3), (3, 0), (3, 3), (1, 2)], ids=str)
    def test_the_square_of_any_entry_is_beta(self, sample, place):
        squares = np.square(sample[(slice(None), *place)])
        law = stats.beta(0.5, (SIZE - 1) / 2)
        assert_follows(law.cdf(squares), RATE, f"squared entry {place}")

    def test_so_is_that_of_any_direction(self, sample):
        """Haar's measure knows no axes."""
        rng = np.random.default_rng(1)
        u, v = (x / np.linalg.norm(x) for x in rng.normal(size=(2, SIZE)))
        squares = np.square(np.einsum("i,nij,j->n", u, sample, v))
        law = stats.beta(0.5, (SIZE - 1) / 2)
        assert_follows(law.cdf(squares), RATE, "squared u Q v")

    @pytest.mark.parametrize("shape", [(9, 3), (3, 9)], ids=str)
    def test_a_long_side_is_uniform_on_the_sphere(self, shape):
        weight = of_layout(orthogonal(), experts((3000, *shape)), torch.float64, name="long")
        for place in ((0, 0), (2, 2)):
            squares = np.square(weight[(slice(None), *place)].numpy())
            assert_follows(stats.beta(0.5, 4.0).cdf(squares), RATE, f"squared entry {place}")

    def test_entries_have_either_sign(self, sample):
        for place in ((0, 0), (3, 3)):
            signs = np.sign(sample[(slice(None), *place)])
            assert_mean_of(signs, 0.0, 1.0, RATE, f"sign of entry {place}")

    def test_traces(self, sample):
        traces = np.trace(sample, axis1=1, axis2=2)
        assert_mean_of(traces, 0.0, 1.0, RATE, "tr Q")
        # The fourth moment of the trace is 3, as of a normal, for a size of 4 and more.
        assert_mean_of(traces**2, 1.0, math.sqrt(2.0), RATE, "(tr Q)^2")
        of_squares = np.einsum("nij,nji->n", sample, sample)
        assert_mean_of_replicas(of_squares, 1.0, RATE, 0.15, "tr Q^2")

    def test_half_of_them_are_reflections(self, sample):
        signs = np.linalg.det(sample).round(9)
        assert set(signs) == {-1.0, 1.0}
        assert_mean_of(signs, 0.0, 1.0, RATE, "sign of the determinant")

    def test_four_entries_together(self, sample):
        """E q11 q22 q12 q21 = -1 / (n (n - 1) (n + 2)), by Weingarten's calculus."""
        q = sample
        products = -q[:, 0, 0] * q[:, 1, 1] * q[:, 0, 1] * q[:, 1, 0]
        n = SIZE
        assert_mean_of_replicas(
            products, 1 / (n * (n - 1) * (n + 2)), RATE, 0.25, "q11 q22 q12 q21"
        )

    def test_a_single_number_is_plus_or_minus_one(self):
        numbers = of_layout(orthogonal(), experts((3000, 1, 1)), torch.float64, name="one").numpy()
        assert_errors_below(np.abs(numbers) - 1, 1e-15, "the modulus of O(1)")
        assert_mean_of(numbers, 0.0, 1.0, RATE, "O(1)")


def circular(x: Tensor, weight: Tensor) -> Tensor:
    """A convolution over a torus, on which nothing is lost at a border."""
    sizes = [size // 2 for size in weight.shape[2:]]
    pads = [pad for size in reversed(sizes) for pad in (size, size)]
    convolve = {3: functional.conv1d, 4: functional.conv2d, 5: functional.conv3d}[weight.ndim]
    return convolve(functional.pad(x, pads, mode="circular"), weight)


def ratios(weight: Tensor) -> Tensor:
    """|y|^2 / |x|^2 of a convolution for some inputs: noise, smooth, a single point."""
    rng = np.random.default_rng(0)
    shape = (weight.shape[1], *(8,) * (weight.ndim - 2))
    noise = torch.from_numpy(rng.normal(size=(3, *shape)))
    smooth = torch.ones(1, *shape, dtype=torch.float64)
    point = torch.zeros(1, *shape, dtype=torch.float64)
    point.view(-1)[5] = 1.0
    x = torch.cat([noise, smooth, point])
    y = circular(x, weight.double())
    return y.flatten(1).square().sum(1) / x.flatten(1).square().sum(1)


class TestDeltaOrthogonal:
    @pytest.mark.parametrize(
        "shape", [(8, 8, 3), (12, 8, 3, 3), (8, 8, 5, 3), (9, 4, 3, 3, 3), (4, 4, 1)], ids=str
    )
    @pytest.mark.parametrize("dtype", PRECISION, ids=str)
    def test_a_convolution_keeps_every_norm(self, shape, dtype):
        weight = delta_orthogonal(1.5).init_(torch.empty(shape, dtype=dtype), name="w")
        errors = (ratios(weight) / 1.5**2 - 1).numpy()
        assert_errors_below(errors, PRECISION[dtype], "|y|^2 / |x|^2")

    def test_an_orthogonal_matrix_over_all_taps_keeps_none(self):
        kept = ratios(drawn(orthogonal(), 8, 8, 3, 3)).numpy()
        assert np.abs(kept - 1).max() > 0.1
        assert np.ptp(kept) > 0.1

    def test_all_taps_but_the_centre_are_zero(self):
        weight = drawn(delta_orthogonal(), 12, 8, 3, 4)
        assert_orthogonal(weight[:, :, 1, 2], 1.0, "centre tap")
        assert int(weight.count_nonzero()) == 12 * 8

    def test_groups_are_isometries_each_by_itself(self):
        layout = conv((12, 2, 3, 3), groups=4)
        weight = of_layout(delta_orthogonal(), layout)
        for group in weight.split(3):
            assert_orthogonal(group[:, :, 1, 1], 1.0, "a group")
        transposed = of_layout(delta_orthogonal(), conv_transpose((6, 9, 3, 3)))
        assert_orthogonal(transposed[:, :, 1, 1], 1.0, "a transposed convolution")
        assert int(transposed.count_nonzero()) == 54

    def test_the_std(self):
        weight = drawn(delta_orthogonal(2.0), 12, 8, 3, 3)
        expected = delta_orthogonal(2.0).std(conv((12, 8, 3, 3)))
        assert_close(expected, 2.0 * math.sqrt(8 / weight.numel()), 1e-12, "std")
        assert_close(float(weight.square().mean().sqrt()), expected, 1e-6, "drawn")

    @pytest.mark.parametrize(
        ("layout", "text"),
        [
            (linear((4, 4)), "is for convolutions; a linear weight has no kernel. Take orthogonal"),
            (
                conv((4, 6, 3)),
                "this conv weight has 6 inputs and 4 outputs. Take orthogonal",
            ),
            (conv((4, 3, 3), groups=2), "this conv weight has 3 inputs and 2 outputs"),
            (packed(conv((9, 4, 3)), (6, 3)), "this conv weight has 4 inputs and 3 outputs"),
        ],
        ids=["no kernel", "too wide", "groups too wide", "a block too wide"],
    )
    def test_what_cannot_be_an_isometry_stays(self, layout, text):
        weight = torch.full(layout.shape, 7.0)
        with pytest.raises(FanError) as error:
            delta_orthogonal().init_(weight, layout=layout)
        assert text in str(error.value)
        with pytest.raises(FanError):
            delta_orthogonal().std(layout)
        assert weight.eq(7).all()
