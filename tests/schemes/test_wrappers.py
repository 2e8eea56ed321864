"""Schemes made of a scheme: scaled, masked, icnr, looks_linear."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from fanin.errors import FanError, InputError
from fanin.fans import (
    conv,
    conv_transpose,
    einsum,
    experts,
    linear,
    packed,
    transposed_linear,
)
from fanin.noise import Stream
from fanin.schemes import (
    constant,
    delta_orthogonal,
    he_normal,
    he_uniform,
    icnr,
    identity,
    lecun_normal,
    looks_linear,
    masked,
    normal,
    ones,
    orthogonal,
    scaled,
    sparse,
    truncated_normal,
    uniform,
    xavier_normal,
    xavier_uniform,
    zeros,
)
from tests.claims import assert_close, assert_errors_below
from tests.schemes.subjects import FLOATS, assert_equal, drawn, of_layout

NARROW = [torch.bfloat16, torch.float16]
ROUNDING = 2.0**-23

INSIDE = [
    normal(mean=0.3, std=0.02),
    uniform(-0.1, 0.3),
    truncated_normal(std=0.02),
    constant(-0.7),
    he_uniform(),
    orthogonal(gain=1.5),
    sparse(k=3),
    scaled(orthogonal(), 0.3),
    masked(normal(), torch.ones(20, 30).tril()),
]


class TestScaled:
    @pytest.mark.parametrize("factor", [0.0, 0.1, 1 / math.sqrt(24), 1.0, 7.0])
    @pytest.mark.parametrize("base", INSIDE, ids=repr)
    def test_it_is_the_factor_times_the_base(self, base, factor):
        got, plain = drawn(scaled(base, factor), 20, 30), drawn(base, 20, 30)
        errors = got.double() - factor * plain.double()
        limit = 4 * ROUNDING * factor * float(plain.abs().max())
        assert_errors_below(errors.numpy(), limit, f"{factor} times {base!r}")
        std = scaled(base, factor).std(linear((20, 30)))
        assert_close(std, factor * base.std(linear((20, 30))), 1e-14, "std")

    @pytest.mark.parametrize("base", INSIDE, ids=repr)
    def test_a_factor_of_one_changes_no_bit(self, base):
        assert_equal(drawn(scaled(base, 1.0), 20, 30), drawn(base, 20, 30))

    @pytest.mark.parametrize("dtype", NARROW, ids=str)
    @pytest.mark.parametrize("base", INSIDE, ids=repr)
    def test_narrow_types_are_rounded_once(self, base, dtype):
        """The product of float32 numbers is rounded, not the product of rounded ones."""
        scheme = scaled(base, 1 / math.sqrt(24))
        got = scheme.init_(torch.empty(20, 30, dtype=dtype))
        assert_equal(got, drawn(scheme, 20, 30).to(dtype), repr(scheme))

    def test_a_power_of_two_is_exact(self):
        for base in (he_normal(), orthogonal()):
            assert_equal(drawn(scaled(base, 0.25), 20, 30), 0.25 * drawn(base, 20, 30))

    def test_double_precision_stays_double(self):
        weight = scaled(orthogonal(), 3.0).init_(torch.empty(20, 30, dtype=torch.float64))
        assert_errors_below((weight @ weight.T).numpy() - 9 * np.eye(20), 1e-12, "Gram")

    def test_it_needs_a_layout_where_the_base_does(self):
        assert_equal(drawn(scaled(ones(), 0.5), 3), torch.full((3,), 0.5))
        with pytest.raises(FanError, match="no fan_in for shape"):
            drawn(scaled(he_normal(), 0.5), 3)

    def test_a_base_that_refuses_leaves_the_tensor(self):
        for dtype in FLOATS:
            weight = torch.full((4, 4, 3), 7.0, dtype=dtype)
            with pytest.raises(FanError, match="identity is for matrices"):
                scaled(identity(), 0.5).init_(weight)
            assert weight.eq(7).all()

    def test_a_factor_beyond_float32_leaves_the_tensor(self):
        weight = torch.full((4, 4), 7.0)
        with pytest.raises(InputError, match="within the range of float32"):
            scaled(normal(std=1e30), 1e18).init_(weight)
        assert weight.eq(7).all()

    def test_every_block_of_a_packed_weight_is_scaled(self):
        layout = packed(linear((96, 64)), (64, 16, 16))
        got = of_layout(scaled(xavier_normal(), 0.5), layout)
        assert_equal(got, 0.5 * of_layout(xavier_normal(), layout))


class TestMasked:
    MASK = torch.arange(600).reshape(20, 30) % 3 == 0

    @pytest.mark.parametrize("dtype", FLOATS, ids=str)
    @pytest.mark.parametrize(
        "base", [he_normal(), orthogonal(), scaled(he_uniform(), 0.1)], ids=repr
    )
    def test_what_is_kept_has_the_bits_of_the_base(self, base, dtype):
        got = masked(base, self.MASK).init_(torch.empty(20, 30, dtype=dtype), name="w")
        plain = base.init_(torch.empty(20, 30, dtype=dtype), name="w")
        assert_equal(got[self.MASK], plain[self.MASK])
        assert got[~self.MASK].eq(0).all()

    @pytest.mark.parametrize(
        "dtype", [torch.bool, torch.uint8, torch.int64, torch.float32], ids=str
    )
    def test_masks_of_any_type_say_the_same(self, dtype):
        scheme = masked(he_normal(), self.MASK.to(dtype))
        assert scheme == masked(he_normal(), self.MASK)
        assert_equal(drawn(scheme, 20, 30), drawn(masked(he_normal(), self.MASK), 20, 30))

    def test_equality_is_by_value_of_shape_too(self):
        flat, square = masked(ones(), torch.ones(4)), masked(ones(), torch.ones(2, 2))
        assert flat != square
        assert masked(ones(), torch.ones(2, 2)) == square
        assert hash(masked(ones(), torch.ones(2, 2))) == hash(square)
        assert masked(ones(), torch.eye(2)) != square
        assert masked(zeros(), torch.ones(2, 2)) != square
        assert len({flat, square, masked(ones(), torch.ones(4))}) == 2

    def test_a_later_change_of_the_callers_mask_changes_nothing(self):
        mask = torch.ones(2, 2, dtype=torch.bool)
        scheme = masked(ones(), mask)
        mask.zero_()
        assert_equal(drawn(scheme, 2, 2), torch.ones(2, 2))
        assert repr(scheme) == "masked(ones(), <4 of 4 kept>)"

    def test_a_mask_that_asks_for_gradients_gives_none(self):
        scheme = masked(ones(), torch.ones(2, 2, requires_grad=True))
        assert not scheme.mask.requires_grad

    def test_the_std_counts_the_zeros(self):
        std = masked(he_normal(), self.MASK).std(linear((20, 30)))
        assert_close(std, math.sqrt(1 / 3) * he_normal().std(linear((20, 30))), 1e-12, "std")
        assert masked(ones(), torch.empty(0, 3)).std() == 0.0

    @pytest.mark.parametrize("shape", [(30, 20), (600,), (20, 30, 1)], ids=str)
    def test_a_mask_of_another_shape_leaves_the_tensor(self, shape):
        weight = torch.full(shape, 7.0)
        with pytest.raises(InputError) as error:
            masked(normal(), self.MASK).init_(weight)
        assert str(error.value) == f"the mask has shape (20, 30), the tensor {shape}"
        assert weight.eq(7).all()

    def test_a_base_that_refuses_leaves_the_tensor(self):
        weight = torch.full((4, 4), 7.0)
        with pytest.raises(FanError, match="delta_orthogonal is for convolutions"):
            masked(delta_orthogonal(), torch.eye(4)).init_(weight)
        assert weight.eq(7).all()


class TestIcnr:
    @pytest.mark.parametrize("r", [1, 2, 3])
    def test_the_layer_begins_as_upsampling_to_the_nearest(self, r):
        """In numbers of few bits, whose sums are exact in any order."""
        shape = (2 * r**2, 3, 3, 3)
        weight = icnr(he_normal(), r).init_(torch.empty(shape, dtype=torch.bfloat16), name="w")
        layout = conv((2, 3, 3, 3))
        plain = he_normal().init_(
            torch.empty(layout.shape, dtype=torch.bfloat16), name="w", layout=layout
        )
        x = torch.from_numpy(np.random.default_rng(0).integers(-99, 99, (2, 3, 7, 8))).double()
        y = functional.pixel_shuffle(functional.conv2d(x, weight.double(), padding=1), r)
        coarse = functional.conv2d(x, plain.double(), padding=1)
        assert_equal(y, functional.interpolate(coarse, scale_factor=r, mode="nearest"))

    @pytest.mark.parametrize("base", [he_normal(), he_uniform(), orthogonal()], ids=repr)
    def test_each_group_of_outputs_is_one_output_of_the_base(self, base):
        weight = drawn(icnr(base, 2), 12, 5, 3, 3, name="w")
        assert_equal(weight, drawn(base, 3, 5, 3, 3, name="w").repeat_interleave(4, 0))

    def test_the_base_sees_its_own_fans(self):
        layout = conv((12, 5, 3, 3))
        scheme = icnr(he_normal(mode="fan_out"), 2)
        assert_close(scheme.std(layout), he_normal(mode="fan_out").std(conv((3, 5, 3, 3))), 1e-12)
        assert_close(icnr(he_normal()).std(layout), he_normal().std(layout), 1e-12, "std")

    @pytest.mark.parametrize(
        ("layout", "smaller", "axis"),
        [
            (conv_transpose((5, 12, 3, 3)), conv_transpose((5, 3, 3, 3)), 1),
            (transposed_linear((5, 12)), transposed_linear((5, 3)), 1),
            (experts((2, 5, 12)), experts((2, 5, 3)), 2),
        ],
        ids=lambda value: value.op if hasattr(value, "op") else str(value),
    )
    def test_outputs_lie_along_the_out_axis_of_the_layout(self, layout, smaller, axis):
        expected = of_layout(lecun_normal(), smaller).repeat_interleave(4, axis)
        assert_equal(of_layout(icnr(lecun_normal(), 2), layout), expected)

    @pytest.mark.parametrize(
        "layout",
        [conv((6, 3, 3, 3)), conv((8, 3, 3, 3), groups=2), packed(linear((8, 3)), 2)],
        ids=["outputs", "groups", "blocks"],
    )
    def test_what_has_no_such_groups_stays(self, layout):
        weight = torch.full(layout.shape, 7.0)
        with pytest.raises(FanError) as error:
            icnr(he_normal(), 2).init_(weight, layout=layout)
        assert str(error.value) == (
            "icnr(r=2) needs a number of outputs that 4 divides, without groups or blocks; this "
            f"{layout.op} weight has shape {layout.shape}"
        )
        with pytest.raises(FanError):
            icnr(he_normal(), 2).std(layout)
        assert weight.eq(7).all()


def relu_network(weights: list[Tensor], x: Tensor) -> Tensor:
    """Linear layers or circular convolutions, with ReLU between them."""
    for place, weight in enumerate(weights):
        if place:
            x = functional.relu(x)
        if weight.ndim == 2:
            x = functional.linear(x, weight)
        else:
            x = functional.conv2d(functional.pad(x, (1, 1, 1, 1), mode="circular"), weight)
    return x


def looks_linear_network(*kernel: int, width: int = 24, depth: int = 10) -> list[Tensor]:
    shapes = [
        (2 * width, width, *kernel),
        *[(2 * width, 2 * width, *kernel)] * (depth - 2),
        (width, 2 * width, *kernel),
    ]
    places = ["first", *["hidden"] * (depth - 2), "last"]
    return [
        drawn(looks_linear(place), *shape, name=f"{layer}")
        for layer, (place, shape) in enumerate(zip(places, shapes, strict=True))
    ]


class TestLooksLinear:
    @pytest.mark.parametrize("kernel", [(), (3, 3)], ids=["linear", "conv"])
    def test_a_relu_network_is_linear_and_an_isometry(self, kernel):
        weights = looks_linear_network(*kernel)
        sizes = (24, 6, 6) if kernel else (24,)
        rng = np.random.default_rng(0)
        x, y = torch.from_numpy(rng.normal(size=(2, 9, *sizes)).astype(np.float32))
        both = relu_network(weights, 2 * x - 3 * y)
        apart = 2 * relu_network(weights, x) - 3 * relu_network(weights, y)
        assert_errors_below((both - apart).numpy(), 2e-6 * float(both.abs().max()) * 2, "linearity")
        ratio = relu_network(weights, x).flatten(1).norm(dim=1) / x.flatten(1).norm(dim=1)
        assert_errors_below(ratio.numpy() - 1, 2e-6, "|f(x)| / |x|")

    def test_its_gradient_is_the_same_everywhere(self):
        weights = looks_linear_network()
        jacobians = [
            torch.autograd.functional.jacobian(lambda x: relu_network(weights, x), point)
            for point in torch.from_numpy(np.random.default_rng(1).normal(size=(2, 24))).float()
        ]
        assert_errors_below((jacobians[0] - jacobians[1]).numpy(), 2e-6, "Jacobians at two points")
        gram = (jacobians[0].T @ jacobians[0]).numpy() - np.eye(24)
        assert_errors_below(gram, 5e-6, "Gram of the Jacobian")

    @pytest.mark.parametrize("base", [None, he_normal(), orthogonal(gain=2.0)], ids=repr)
    @pytest.mark.parametrize("dtype", FLOATS, ids=str)
    def test_the_blocks_mirror_one_matrix(self, base, dtype):
        matrix = base or orthogonal()
        for place, shape, part in (
            ("first", (8, 6), (4, 6)),
            ("hidden", (8, 6), (4, 3)),
            ("last", (8, 6), (8, 3)),
        ):
            m = matrix.init_(torch.empty(part, dtype=dtype), name="w")
            mirrored = {
                "first": torch.cat([m, -m]),
                "hidden": torch.cat([torch.cat([m, -m], 1), torch.cat([-m, m], 1)]),
                "last": torch.cat([m, -m], 1),
            }[place]
            got = looks_linear(place, base).init_(torch.empty(shape, dtype=dtype), name="w")
            assert_equal(got, mirrored, place)
            if base is not None:
                std = looks_linear(place, base).std(linear(shape))
                assert_close(std, base.std(linear(part)), 1e-12, f"std of {place}")

    def test_the_halves_lie_along_the_axes_of_the_layout(self):
        m = of_layout(orthogonal(), transposed_linear((3, 4)))
        expected = torch.cat([torch.cat([m, -m], 1), torch.cat([-m, m], 1)])
        assert_equal(of_layout(looks_linear(), transposed_linear((6, 8))), expected)
        assert drawn(looks_linear(), 8, 8, 3, 3)[:, :, 0].eq(0).all(), "kernels are delta"
        stack = of_layout(looks_linear(), experts((2, 6, 6)))
        assert_equal(stack[:, :3], -stack[:, 3:])
        assert_equal(stack[:, :, :3], -stack[:, :, 3:])
        assert not stack[0].equal(stack[1])

    @pytest.mark.parametrize(
        ("place", "layout", "text"),
        [
            ("hidden", linear((3, 4)), "mirrors axis 0 of this linear weight of shape (3, 4)"),
            ("hidden", linear((4, 3)), "mirrors axis 1 of this linear weight of shape (4, 3)"),
            ("first", linear((3, 4)), "('first') mirrors axis 0 of this linear weight"),
            ("last", linear((4, 3)), "('last') mirrors axis 1 of this linear weight"),
            ("first", conv((4, 3, 3)), "delta_orthogonal keeps every input"),
            ("hidden", conv((4, 2, 3), groups=2), "is for weights without groups or blocks"),
            ("hidden", packed(linear((8, 4)), 2), "is for weights without groups or blocks"),
        ],
        ids=str,
    )
    def test_what_cannot_be_mirrored_stays(self, place, layout, text):
        weight = torch.full(layout.shape, 7.0)
        with pytest.raises(FanError) as error:
            looks_linear(place).init_(weight, layout=layout)
        assert text in str(error.value)
        with pytest.raises(FanError):
            looks_linear(place).std(layout)
        assert weight.eq(7).all()


PACKED = packed(linear((96, 64)), (64, 16, 16))


class TestPackedWeights:
    """A block is a weight of its own: its own fans, its own draw."""

    @pytest.mark.parametrize(
        "scheme", [xavier_normal(), xavier_uniform(gain=2.0), he_normal(mode="fan_out")], ids=repr
    )
    def test_every_block_has_the_law_of_its_fans(self, scheme):
        weight = of_layout(scheme, PACKED, name="qkv", seed=3)
        for draw, (block, rows) in enumerate(
            zip(weight.split([64, 16, 16]), (64, 16, 16), strict=True)
        ):
            alone = scheme.law(linear((rows, 64)))
            again = np.empty(rows * 64, np.float32)
            alone.fill(again, Stream(3, "qkv", draw), 0)
            assert_equal(block, torch.from_numpy(again.reshape(rows, 64)))

    def test_the_std_of_the_whole_is_their_root_mean_square(self):
        squares = [rows * 2 / (64 + rows) for rows in (64, 16, 16)]
        expected = math.sqrt(sum(squares) / 96)
        assert_close(xavier_normal().std(PACKED), expected, 1e-12, "std")
        assert_close(xavier_normal().std(packed(linear((96, 32)), 3)), math.sqrt(2 / 64), 1e-12)

    @pytest.mark.parametrize("scheme", [normal(std=0.02), uniform(), zeros()], ids=repr)
    def test_what_knows_no_fans_sees_no_blocks(self, scheme):
        assert_equal(of_layout(scheme, PACKED), drawn(scheme, 96, 64))

    def test_blocks_of_a_weight_whose_outputs_are_the_second_axis(self):
        layout = packed(transposed_linear((64, 96)), 3)
        weight = of_layout(xavier_normal(), layout)
        first = of_layout(xavier_normal(), transposed_linear((64, 32)))
        assert_equal(weight[:, :32], first)
        assert not weight[:, 32:64].equal(first)

    def test_the_tensor_must_have_the_shape_of_the_layout(self):
        weight = torch.full((96,), 7.0)
        with pytest.raises(FanError) as error:
            xavier_normal().init_(weight, layout=PACKED)
        assert "a tensor of shape (96,) is not the weight of the layout" in str(error.value)
        assert weight.eq(7).all()

    def test_blocks_of_an_einsum(self):
        layout = packed(einsum("bi,oi->bo", (6, 4)), 2)
        assert_equal(of_layout(xavier_normal(), layout)[:3], drawn(xavier_normal(), 3, 4))
