"""Fans: the numbers by hand, the axes, the blocks, and every refusal."""

from __future__ import annotations

import math
import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import fanin
from fanin.errors import FanError, InputError
from fanin.fans import (
    Layout,
    bilinear,
    conv,
    conv_transpose,
    einsum,
    embedding,
    embedding_bag,
    experts,
    linear,
    matmul,
    of_plain_weight,
    packed,
    recurrent,
    tied_head,
    transposed_linear,
)


class TestNumbers:
    @pytest.mark.parametrize(
        ("layout", "fan_in", "fan_out"),
        [
            (linear((10, 200)), 200, 10),
            (linear((1, 1)), 1, 1),
            (linear((5, 0)), 0, 5),
            (transposed_linear((200, 10)), 200, 10),
            (conv((64, 32, 3, 3)), 288, 576),
            (conv((12, 8, 5)), 40, 60),
            (conv((6, 4, 3, 3, 3)), 108, 162),
            (conv((64, 1, 1, 1)), 1, 64),
            (conv((12, 2, 3, 3), groups=4), 18, 27),
            (conv((32, 1, 3, 3), groups=32), 9, 9),
            (conv((64, 1, 3, 3), groups=32), 9, 18),
            (conv_transpose((8, 12, 4, 4), stride=2), 32, 192),
            (conv_transpose((8, 12, 4, 4), stride=(2, 2)), 32, 192),
            (conv_transpose((8, 12, 4, 4), stride=(2, 1)), 64, 192),
            (conv_transpose((8, 12, 4, 4)), 128, 192),
            (conv_transpose((8, 3, 4), stride=2, groups=4), 4, 12),
            (conv_transpose((8, 1, 3), groups=8), 3, 3),
            (conv_transpose((8, 12, 3), stride=2), 12, 36),
            (conv_transpose((5, 12, 3), stride=2), 7.5, 36),
            (embedding((1000, 64)), 1, 64),
            (embedding_bag((1000, 64), bag=4), 0.25, 64),
            (embedding_bag((1000, 64), "mean", bag=4), 0.25, 64),
            (embedding_bag((1000, 64), "sum", bag=4), 4, 64),
            (embedding_bag((1000, 64), "sum", bag=2.5), 2.5, 64),
            (tied_head((50257, 768)), 768, 50257),
            (bilinear((7, 5, 3)), 15, 21),
            (packed(linear((72, 24)), 3), 24, 24),
            (packed(linear((48, 24)), (24, 12, 12)), 24, 16),
            (packed(transposed_linear((24, 72)), 3), 24, 24),
            (packed(experts((6, 24, 40)), 2), 24, 20),
            (packed(experts((6, 40, 24), transposed=True), 2), 24, 20),
            (packed(bilinear((8, 5, 3)), 2), 15, 12),
            (packed(conv((12, 8, 5)), 3), 40, 20),
            (packed(conv((12, 1, 5), groups=12), 3), 5, 5),
            (packed(conv((12, 2, 5), groups=4), (3, 3, 6)), 10, 15),
            (packed(conv_transpose((8, 12, 4), stride=2), 4), 16, 12),
            (packed(embedding((9, 12)), (4, 8)), 1, 6),
            (recurrent((20, 3), 4), 3, 5),
            (recurrent((15, 3), 3), 3, 5),
            (recurrent((5, 3), 1), 3, 5),
            (experts((6, 24, 40)), 24, 40),
            (experts((6, 40, 24), transposed=True), 24, 40),
            (matmul((24, 40)), 24, 40),
            (matmul((3, 6, 24, 40)), 24, 40),
            (einsum("bthd,hde->bte", (4, 8, 20)), 32, 20),
            (einsum("bte,ehd->bthd", (20, 4, 8)), 20, 32),
            (einsum("becd,edf->becf", (6, 24, 40)), 24, 40),
            (einsum("bi,i->bi", (7,)), 1, 1),
            (einsum("bi,i->b", (7,)), 7, 1),
            (einsum("b,o->bo", (7,)), 1, 7),
            (einsum("bi,oij,bj->bo", (7, 5, 3)), 15, 21),
            (of_plain_weight((10, 200)), 200, 10),
            (of_plain_weight((12, 8, 5)), 40, 60),
            (of_plain_weight((64, 32, 3, 3)), 288, 576),
            (of_plain_weight((6, 4, 3, 3, 3)), 108, 162),
        ],
        ids=str,
    )
    def test_fans_by_hand(self, layout, fan_in, fan_out):
        assert (layout.fan_in, layout.fan_out) == (fan_in, fan_out)

    def test_a_whole_fan_is_an_integer(self):
        assert type(conv_transpose((8, 12, 4, 4), stride=2).fan_in) is int
        assert repr(conv_transpose((5, 12, 3), stride=2).fan_in) == "7.5"
        assert type(embedding_bag((9, 4), "sum", bag=3.0).fan_in) is int
        assert type(packed(linear((72, 24)), 3).fan_out) is int

    @pytest.mark.parametrize(
        ("layout", "op", "out_axes", "in_axes", "batch_axes", "groups"),
        [
            (linear((10, 200)), "linear", (0,), (1,), (), 1),
            (transposed_linear((10, 200)), "transposed_linear", (1,), (0,), (), 1),
            (conv((12, 2, 3), groups=4), "conv", (0,), (1,), (), 4),
            (conv_transpose((8, 3, 4), groups=4), "conv_transpose", (1,), (0,), (), 4),
            (embedding((1000, 64)), "embedding", (1,), (0,), (), 1),
            (embedding_bag((9, 4), bag=2), "embedding_bag", (1,), (0,), (), 1),
            (tied_head((1000, 64)), "tied_head", (0,), (1,), (), 1),
            (bilinear((7, 5, 3)), "bilinear", (0,), (1,), (), 1),
            (recurrent((20, 3), 4), "recurrent", (0,), (1,), (), 1),
            (experts((6, 24, 40)), "experts", (2,), (1,), (0,), 1),
            (experts((6, 40, 24), transposed=True), "experts", (1,), (2,), (0,), 1),
            (matmul((24, 40)), "matmul", (1,), (0,), (), 1),
            (matmul((3, 6, 24, 40)), "matmul", (3,), (2,), (0, 1), 1),
            (einsum("bthd,hde->bte", (4, 8, 20)), "einsum", (2,), (0, 1), (), 1),
            (einsum("bte,ehd->bthd", (20, 4, 8)), "einsum", (1, 2), (0,), (), 1),
            (einsum("becd,edf->becf", (6, 24, 40)), "einsum", (2,), (1,), (0,), 1),
        ],
        ids=str,
    )
    def test_a_layout_says_what_it_is_of(self, layout, op, out_axes, in_axes, batch_axes, groups):
        assert (layout.op, layout.groups) == (op, groups)
        assert (layout.out_axes, layout.in_axes) == (out_axes, in_axes)
        assert layout.batch_axes == batch_axes

    def test_shapes_of_torch_are_shapes(self):
        weight = torch.nn.Conv2d(8, 12, 3, groups=4).weight
        layout = conv(weight.shape, groups=4)
        assert layout == conv([12, 2, 3, 3], groups=4)
        assert type(layout.shape) is tuple
        assert hash(layout) == hash(conv((12, 2, 3, 3), groups=4))

    def test_numbers_of_numpy_are_numbers(self):
        layout = packed(linear(tuple(np.array([48, 24]))), tuple(np.array([24, 12, 12])))
        assert layout == packed(linear((48, 24)), (24, 12, 12))
        assert {type(n) for n in (*layout.shape, *layout.blocks)} == {int}
        assert packed(linear((48, 24)), np.int64(2)) == packed(linear((48, 24)), 2)

    @pytest.mark.parametrize("layout", [linear((10, 200)), packed(experts((6, 24, 40)), 2)])
    def test_layouts_are_frozen_values(self, layout):
        with pytest.raises(FrozenInstanceError):
            layout.fan_in = 3
        assert not hasattr(layout, "__dict__")
        assert pickle.loads(pickle.dumps(layout)) == layout
        assert {layout: 1}[pickle.loads(pickle.dumps(layout))] == 1

    def test_every_name_is_public(self):
        assert fanin.fans.__all__ == sorted(fanin.fans.__all__)
        assert all(hasattr(fanin.fans, name) for name in fanin.fans.__all__)


class TestAgainstTheShapesOfTorch:
    """The traps that a layout is there for: torch.nn.init sees the shape only."""

    @pytest.mark.parametrize(
        ("layout", "torch_takes", "right"),
        [
            (conv((32, 1, 3, 3), groups=32), (9, 288), (9, 9)),
            (conv_transpose((8, 12, 4, 4), stride=2), (192, 128), (32, 192)),
            (transposed_linear((24, 40)), (40, 24), (24, 40)),
            (packed(linear((72, 24)), 3), (24, 72), (24, 24)),
            (experts((6, 24, 40)), (960, 240), (24, 40)),
            (einsum("bthd,hde->bte", (4, 8, 20)), (160, 80), (32, 20)),
        ],
        ids=lambda value: value.op if isinstance(value, Layout) else "",
    )
    def test_torch_counts_otherwise(self, layout, torch_takes, right):
        weight = torch.empty(layout.shape)
        assert torch.nn.init._calculate_fan_in_and_fan_out(weight) == torch_takes
        assert (layout.fan_in, layout.fan_out) == right


def parts_of(layout):
    return [(part.shape, part.fan_in, part.fan_out, part.groups) for part in layout.parts()]


class TestParts:
    @pytest.mark.parametrize(
        "layout", [linear((10, 200)), conv((12, 2, 3), groups=4), recurrent((5, 3), 1)], ids=str
    )
    def test_a_weight_without_blocks_is_its_only_part(self, layout):
        assert layout.blocks == ()
        assert layout.parts() == (layout,)

    @pytest.mark.parametrize(
        ("layout", "whole"),
        [
            (packed(linear((72, 24)), (24, 48)), linear),
            (packed(transposed_linear((24, 72)), (24, 48)), transposed_linear),
            (packed(experts((6, 24, 40)), (10, 30)), experts),
            (packed(embedding((9, 12)), (4, 8)), embedding),
            (packed(bilinear((8, 5, 3)), (6, 2)), bilinear),
            (packed(conv((12, 8, 5, 5)), (4, 8)), conv),
            (packed(matmul((3, 4, 24, 40)), (10, 30)), matmul),
            (
                packed(conv_transpose((8, 12, 4), stride=2), (4, 8)),
                lambda shape: conv_transpose(shape, stride=2),
            ),
            (
                packed(einsum("bi,ihd->bhd", (24, 6, 5)), (2, 4)),
                lambda shape: einsum("bi,ihd->bhd", shape),
            ),
        ],
        ids=lambda value: str(value) if isinstance(value, Layout) else "",
    )
    def test_a_part_is_what_it_would_be_by_itself(self, layout, whole):
        axis = layout.out_axes[0]
        shapes = [(*layout.shape[:axis], n, *layout.shape[axis + 1 :]) for n in layout.blocks]
        assert layout.parts() == tuple(whole(shape) for shape in shapes)

    @given(st.lists(st.integers(1, 40), min_size=2, max_size=60), st.integers(1, 50))
    def test_parts_of_any_sizes_keep_whole_fans(self, sizes, in_):
        layout = packed(linear((sum(sizes), in_)), sizes)
        assert layout.parts() == tuple(linear((size, in_)) for size in sizes)
        assert math.isclose(layout.fan_out, sum(sizes) / len(sizes))
        assert all(type(part.fan_out) is int for part in layout.parts())

    def test_parts_of_a_recurrent_weight_are_gates(self):
        assert parts_of(recurrent((20, 3), 4)) == [((5, 3), 3, 5, 1)] * 4

    def test_blocks_of_a_grouped_convolution_hold_whole_groups(self):
        layout = packed(conv((12, 2, 5), groups=4), (3, 3, 6))
        expected = [((3, 2, 5), 10, 15, 1), ((3, 2, 5), 10, 15, 1), ((6, 2, 5), 10, 15, 2)]
        assert parts_of(layout) == expected
        depthwise = packed(conv((12, 1, 5), groups=12), (4, 8))
        assert depthwise.parts() == (conv((4, 1, 5), groups=4), conv((8, 1, 5), groups=8))

    def test_one_block_is_no_block(self):
        assert packed(linear((10, 20)), 1) == linear((10, 20))
        assert packed(linear((10, 20)), (10,)) == linear((10, 20))

    def test_an_empty_weight_has_empty_parts(self):
        assert packed(linear((0, 20)), 3).parts() == (linear((0, 20)),) * 3


def raises(make, *parts):
    with pytest.raises(FanError) as error:
        make()
    assert isinstance(error.value, InputError)
    assert isinstance(error.value, ValueError)
    for part in parts:
        assert part in str(error.value), str(error.value)


class TestRefusals:
    @pytest.mark.parametrize(
        ("make", "text"),
        [
            (lambda: linear((3,)), "the weight of linear has shape (out, in), got (3,)"),
            (lambda: linear((3, 4, 5)), "weight of linear has shape (out, in), got (3, 4, 5)"),
            (lambda: transposed_linear((3,)), "transposed_linear has shape (in, out), got (3,)"),
            (lambda: tied_head((3,)), "tied_head has shape (rows, width), got (3,)"),
            (lambda: conv((3, 4)), "of conv has shape (out, in / groups, *kernel), got (3, 4)"),
            (
                lambda: conv_transpose((3, 4)),
                "of conv_transpose has shape (in, out / groups, *kernel), got (3, 4)",
            ),
            (lambda: embedding((3,)), "of embedding has shape (rows, width), got (3,)"),
            (lambda: embedding_bag((3,), bag=2), "embedding_bag has shape (rows, width), got (3,)"),
            (lambda: bilinear((3, 4)), "of bilinear has shape (out, in1, in2), got (3, 4)"),
            (lambda: recurrent((8,), 4), "of recurrent has shape (gates * hidden, in), got (8,)"),
            (lambda: experts((8, 4)), "of experts has shape (experts, in, out), got (8, 4)"),
            (
                lambda: experts((8, 4), transposed=True),
                "of experts has shape (experts, out, in), got (8, 4)",
            ),
            (lambda: matmul((8,)), "the weight of matmul has shape (..., in, out), got (8,)"),
            (
                lambda: conv((8, 1, 3), groups=3),
                (
                    "groups=3 does not divide the 8 channels of axis 0 of conv's weight of shape "
                    "(8, 1, 3)"
                ),
            ),
            (lambda: conv((8, 1, 3), groups=0), "groups=0 does not divide the 8 channels"),
            (lambda: conv((8, 1, 3), groups=-2), "groups=-2 does not divide the 8 channels"),
            (
                lambda: conv_transpose((8, 1, 3), groups=5),
                "groups=5 does not divide the 8 channels of axis 0 of conv_transpose's weight",
            ),
            (lambda: of_plain_weight(()), "no fan_in for shape (): it has 0 axes"),
            (lambda: of_plain_weight((768,)), "no fan_in for shape (768,): it has 1 ax"),
            (lambda: of_plain_weight((1,) * 6), "it has 6 axes, but a weight that maps"),
        ],
    )
    def test_shapes_without_fans(self, make, text):
        raises(make, text)

    def test_the_refusal_of_a_vector_names_what_helps(self):
        raises(
            lambda: of_plain_weight((768,)),
            "Give a layout (fanin.fans), or a scheme without fans",
        )

    @pytest.mark.parametrize("shape", [5, (-3, 4), (3.5, 4), "ab", None])
    def test_a_shape_that_is_none(self, shape):
        raises(lambda: linear(shape), "the shape of linear's weight must be a tuple of sizes")
        raises(lambda: matmul(shape), "the shape of matmul's weight must be a tuple of sizes")

    @pytest.mark.parametrize("stride", [0, (2,), (2, 0), (1, 1, 1)])
    def test_a_stride_that_does_not_fit_a_transposed_convolution(self, stride):
        raises(lambda: conv_transpose((3, 4, 5, 5), stride=stride), "2 positive steps are needed")

    def test_a_maximum_has_no_fan(self):
        raises(
            lambda: embedding_bag((9, 4), "max", bag=3),
            "no fan_in for embedding_bag's weight of shape (9, 4) with mode='max'",
            "a maximum sums no products",
            "normal(std=1)",
        )
        raises(lambda: embedding_bag((9, 4), "min", bag=3), "must be 'mean' or 'sum', got 'min'")

    @pytest.mark.parametrize("bag", [0, -1, math.inf, math.nan, "4", None])
    def test_a_bag_without_rows(self, bag):
        raises(
            lambda: embedding_bag((9, 4), bag=bag),
            f"bag of embedding_bag's weight of shape (9, 4) must be a positive number of rows, "
            f"got {bag!r}",
        )

    @pytest.mark.parametrize(
        ("make", "text"),
        [
            (
                lambda: packed(linear((10, 4)), 3),
                (
                    "3 equal blocks do not divide the 10 of axis 0 of linear's weight of shape "
                    "(10, 4). Give the size of each block"
                ),
            ),
            (lambda: packed(linear((10, 4)), 0), "0 equal blocks do not divide the 10"),
            (lambda: packed(linear((10, 4)), -5), "-5 equal blocks do not divide the 10"),
            (
                lambda: packed(transposed_linear((4, 10)), (5, 4)),
                (
                    "blocks of (5, 4) add up to 9, not to the 10 of axis 1 of transposed_linear's "
                    "weight of shape (4, 10). Give the size of each block"
                ),
            ),
            (lambda: packed(linear((10, 4)), (10, 0)), "sequence of positive sizes, got (10, 0)"),
            (lambda: packed(linear((10, 4)), (5.0, 5.0)), "sequence of positive sizes, got (5.0"),
            (lambda: packed(linear((10, 4)), None), "sequence of positive sizes, got None"),
            (lambda: packed(linear((10, 4)), "55"), "sequence of positive sizes, got '55'"),
            (
                lambda: packed(packed(linear((10, 4)), 2), 2),
                "linear's weight of shape (10, 4) is packed already, into blocks of (5, 5)",
            ),
            (
                lambda: packed(einsum("bi,i->b", (7,)), 7),
                "einsum's weight of shape (7,) has no out axis",
            ),
            (
                lambda: packed(conv((12, 2, 5), groups=4), 2 * (2, 4)),
                (
                    "conv's weight of shape (12, 2, 5): blocks=(2, 4, 2, 4) cut through groups "
                    "of 3 channels"
                ),
            ),
            (
                lambda: packed(conv_transpose((8, 6, 5), groups=4), 2),
                "blocks of a grouped weight whose axis 0 counts inputs are not known",
            ),
            (
                lambda: recurrent((10, 3), 4),
                (
                    "4 equal blocks do not divide the 10 of axis 0 of recurrent's weight of shape "
                    "(10, 3)"
                ),
            ),
        ],
    )
    def test_blocks_that_do_not_fit(self, make, text):
        raises(make, text)

    @pytest.mark.parametrize(
        ("fields", "text"),
        [
            ({"out_axes": (1,)}, "must name different axes, 0 to 1"),
            ({"batch_axes": (2,)}, "batch_axes=(2,) must name different axes, 0 to 1"),
            ({"in_axes": (-1,)}, "in_axes=(-1,) and"),
            ({"groups": 3}, "groups=3 does not divide axis 0"),
            ({"groups": 0}, "groups=0 does not divide axis 0"),
            ({"blocks": (4, 5)}, "blocks=(4, 5) do not add up to the 10 of axis 0"),
            ({"blocks": (11, -1)}, "blocks=(11, -1) do not add up"),
            ({"blocks": (5, 5), "out_axes": ()}, "there is no out axis"),
        ],
    )
    def test_a_layout_of_ones_own_that_contradicts_itself(self, fields, text):
        raises(
            lambda: Layout("mine", (10, 4), 4, 10, **fields),
            "no layout of mine's weight of shape (10, 4)",
            text,
        )

    @pytest.mark.parametrize(
        ("equation", "shape", "operand", "text"),
        [
            ("bi,io->bo", (3, 4, 5), 1, "has 2 indices, 'io', but shape (3, 4, 5)"),
            ("bi,ii->bi", (3, 3), 1, "has an index twice, 'ii', so that only its diagonal is used"),
            ("bi,iok->bo", (3, 4, 5), 1, "is summed over its own index 'k' before any input"),
            ("bi,...io->b...o", (7, 3, 4), 1, "write '...' out in '...io'"),
            ("bi,io->bo", (3, 4), 2, "cannot be operand 2: it has 2 operands"),
            ("bi,io->bo", (3, 4), -1, "cannot be operand -1: it has 2 operands"),
            ("io->oi", (3, 4), 0, "it has 1 operands, and needs the weight"),
            ("bi,io->bx", (3, 4), 1, "has an output 'bx' with an index twice, or with one that"),
            ("bi,io->bbo", (3, 4), 1, "has an output 'bbo' with an index twice"),
            ("bi,io->b->o", (3, 4), 1, "cannot be read"),
            ("bi,i_o->bo", (3, 4), 1, "cannot be read"),
            ("bi,i..o->bo", (3, 4), 1, "cannot be read"),
            ("", (3, 4), 1, "cannot be read"),
            (None, (3, 4), 1, "einsum None cannot be read"),
            ("bi,io->bo", (3, -4), 1, "'bi,io->bo''s weight must be a tuple of sizes"),
        ],
    )
    def test_equations_without_fans(self, equation, shape, operand, text):
        raises(lambda: einsum(equation, shape, operand), f"einsum {equation!r}", text)
