"""Fans by what they promise: with weights of variance 1 / fan_in, the operations of torch
keep the second moment, and gradients grow by fan_out / fan_in.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

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
    packed,
    recurrent,
    tied_head,
    transposed_linear,
)
from tests.claims import assert_mean_of_replicas


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """The tensors are small: a second thread of torch would only wait for a shared core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@dataclass(frozen=True)
class Use:
    """An operation with the shapes of its input and weight, on a torus: no borders."""

    layout: Layout
    input_shape: tuple[int, ...]
    apply: Callable[[Tensor, Tensor], Tensor]
    whole: Layout | None = None  # what the operation takes, where the layout is one of its parts


def convolution(axes: int) -> Callable[..., Tensor]:
    return (F.conv1d, F.conv2d, F.conv3d)[axes - 1]


def convolve(x: Tensor, weight: Tensor, groups: int, dilation: int, stride: int = 1) -> Tensor:
    kernel = weight.shape[2:]
    ring = [p for k in reversed(kernel) for p in (0, (k - 1) * dilation)]
    padded = F.pad(x, ring, mode="circular")
    return convolution(len(kernel))(padded, weight, groups=groups, dilation=dilation, stride=stride)


def convolve_transposed(x: Tensor, weight: Tensor, groups: int, stride: int) -> Tensor:
    """On a torus: pad so far that every tap arrives, and keep one turn of the result."""
    kernel, size = weight.shape[2:], x.shape[2:]
    padded = F.pad(x, [p for k in reversed(kernel) for p in (k, 0)], mode="circular")
    transposed = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[len(kernel) - 1]
    y = transposed(padded, weight, groups=groups, stride=stride, output_padding=stride - 1)
    for axis, (k, length) in enumerate(zip(kernel, size, strict=True), start=2):
        y = y.narrow(axis, k * stride, length * stride)
    return y


def unit_normals(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Normals of mean square 1, exactly: so a small weight does not spread the replicas."""
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    return x / x.square().mean().sqrt()


def draw_replica(use: Use, generator: torch.Generator) -> tuple[float, float]:
    """Mean squares of output and input gradient, where input and output gradient have mean
    square 1 and the weight 1 / fan_in.
    """
    whole = use.whole or use.layout
    blocks = [unit_normals(part.shape, generator) for part in whole.parts()]
    weight = torch.cat(blocks, whole.out_axes[0]) / math.sqrt(use.layout.fan_in)
    x = unit_normals(use.input_shape, generator).requires_grad_()
    y = use.apply(x, weight)
    (gradient,) = torch.autograd.grad(y, x, unit_normals(tuple(y.shape), generator))
    return float(y.detach().square().mean()), float(gradient.square().mean())


# Replicas give each check its tolerance; their count decides how sharp it is.
REPLICAS = 60
# A check must tell fans that are this far apart, relative to the right one.
RESOLUTION = 0.1
EXAMPLES = 12
# The chance that any of the checks below (under 200 uses, two a use) fails although all is right.
RATE = 1e-6 / (200 * 2)


def assert_fans_are_the_growth_of_the_second_moment(use: Use, stride: int = 1) -> None:
    """``stride`` is the product by which a strided convolution thins its gradient out."""
    generator = torch.Generator().manual_seed(0)
    replicas = np.array([draw_replica(use, generator) for _ in range(REPLICAS)])
    layout = use.layout
    growth = layout.fan_out / layout.fan_in / stride
    forward, backward = f"output's m2 of {layout}", f"gradient's m2 of {layout}"
    assert_mean_of_replicas(replicas[:, 0], 1.0, RATE, RESOLUTION, forward)
    assert_mean_of_replicas(replicas[:, 1], growth, RATE, RESOLUTION, backward)


many = settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
CHANNELS = st.integers(3, 12)


@st.composite
def kernels(draw: st.DrawFn, least: int = 1) -> tuple[int, ...]:
    axes = draw(st.integers(1, 3))
    return tuple(draw(st.integers(least, (7, 4, 3)[axes - 1])) for _ in range(axes))


def batch(kernel: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    """Batch size and extent: about 250 positions, each axis longer than any kernel."""
    extent = (14, 8, 6)[len(kernel) - 1]
    return math.ceil(250 / extent ** len(kernel)), (extent,) * len(kernel)


class TestConvolutions:
    @many
    @given(
        groups=st.sampled_from([1, 1, 2, 3]),
        out=CHANNELS,
        in_=CHANNELS,
        kernel=kernels(),
        dilation=st.integers(1, 2),
    )
    def test_convolutions(self, groups, out, in_, kernel, dilation):
        samples, extent = batch(kernel)
        use = Use(
            conv((out * groups, in_, *kernel), groups=groups),
            (samples, in_ * groups, *extent),
            lambda x, weight: convolve(x, weight, groups, dilation),
        )
        assert_fans_are_the_growth_of_the_second_moment(use)

    @many
    @given(channels=st.integers(6, 24), multiple=st.integers(1, 3), kernel=kernels(2))
    def test_depthwise_convolutions(self, channels, multiple, kernel):
        samples, extent = batch(kernel)
        use = Use(
            conv((channels * multiple, 1, *kernel), groups=channels),
            (samples, channels, *extent),
            lambda x, weight: convolve(x, weight, channels, 1),
        )
        assert_fans_are_the_growth_of_the_second_moment(use)

    @many
    @given(
        groups=st.sampled_from([1, 1, 2, 3]),
        out=CHANNELS,
        in_=CHANNELS,
        kernel=kernels(2),
        stride=st.integers(1, 3),
    )
    def test_transposed_convolutions(self, groups, out, in_, kernel, stride):
        samples, extent = batch(kernel)
        strides = (stride,) * len(kernel)
        use = Use(
            conv_transpose((in_ * groups, out, *kernel), groups=groups, stride=strides),
            (samples, in_ * groups, *extent),
            lambda x, weight: convolve_transposed(x, weight, groups, stride),
        )
        assert_fans_are_the_growth_of_the_second_moment(use)

    @pytest.mark.parametrize("dilation", [1, 2])
    @pytest.mark.parametrize("groups", [1, 3])
    @pytest.mark.parametrize("kernel", [(2,), (3,), (5,), (2, 3), (2, 2, 2)], ids=str)
    def test_a_stride_divides_the_gradients_sum_and_not_the_fan(self, kernel, groups, dilation):
        """Schemes use the value without it; what the gradient feels is fan_out / stride."""
        samples, extent = batch(kernel)
        use = Use(
            conv((8 * groups, 6, *kernel), groups=groups),
            (4 * samples, 6 * groups, *extent),
            lambda x, weight: convolve(x, weight, groups, dilation, stride=2),
        )
        assert_fans_are_the_growth_of_the_second_moment(use, stride=2 ** len(kernel))

    @pytest.mark.parametrize(
        ("fan_in", "fan_out", "what"),
        [(wrong, 9, "output") for wrong in (7, 12, 288)]
        + [(9, wrong, "gradient") for wrong in (7, 12, 288)],
    )
    def test_wrong_fans_are_noticed(self, fan_in, fan_out, what):
        """The power of these checks, 288 being what torch takes for this convolution."""
        wrong = Layout("conv", (32, 1, 3, 3), fan_in, fan_out, groups=32)
        use = Use(wrong, (4, 32, 8, 8), lambda x, weight: convolve(x, weight, 32, 1))
        with pytest.raises(AssertionError, match=rf"^{what}'s m2 of .* is .*, expected"):
            assert_fans_are_the_growth_of_the_second_moment(use)


def test_the_torus_has_no_border():
    """The two helpers above against plain sums over taps."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((2, 3, 10), generator=generator)
    weight = torch.randn((4, 3, 5), generator=generator)
    gathered = sum(
        torch.einsum("oc,bcl->bol", weight[:, :, tap], x.roll(-2 * tap, 2)) for tap in range(5)
    )
    torch.testing.assert_close(convolve(x, weight, 1, 2), gathered)
    torch.testing.assert_close(convolve(x, weight, 1, 2, stride=2), gathered[:, :, ::2])

    weight = torch.randn((3, 4, 5), generator=generator)
    scattered = torch.zeros(2, 4, 20)
    for i, tap in itertools.product(range(10), range(5)):
        scattered[:, :, (2 * i + tap) % 20] += x[:, :, i] @ weight[:, :, tap]
    torch.testing.assert_close(convolve_transposed(x, weight, 1, 2), scattered)


class TestMatrices:
    @many
    @given(out=st.integers(8, 60), in_=st.integers(8, 60))
    def test_linear(self, out, in_):
        use = Use(linear((out, in_)), (100, in_), F.linear)
        assert_fans_are_the_growth_of_the_second_moment(use)

    @pytest.mark.parametrize(("rows", "width"), [(90, 20), (20, 60)])
    def test_tied_head(self, rows, width):
        use = Use(tied_head((rows, width)), (100, width), F.linear)
        assert_fans_are_the_growth_of_the_second_moment(use)

    def test_a_table_as_a_head_grows_by_the_root_of_its_width(self):
        """The clash: the scale of a look-up as that of an output layer."""
        generator = torch.Generator().manual_seed(0)
        use = Use(embedding((90, 25)), (100, 25), F.linear)
        logits = np.array([draw_replica(use, generator)[0] for _ in range(REPLICAS)])
        fan_in = tied_head((90, 25)).fan_in
        assert_mean_of_replicas(logits, fan_in, RATE, RESOLUTION, "m2 of logits")

    @pytest.mark.parametrize(("in_", "out"), [(20, 60), (60, 20)])
    def test_conv1d_of_transformers(self, in_, out):
        from transformers.pytorch_utils import Conv1D

        module = Conv1D(out, in_).double()
        layout = transposed_linear((in_, out))
        assert layout == Layout.of(module)
        use = Use(layout, (100, in_), lambda x, weight: call(module, x, weight=weight))
        assert_fans_are_the_growth_of_the_second_moment(use)

    @many
    @given(out=st.integers(6, 16), in1=st.integers(6, 16), in2=st.integers(6, 16))
    def test_bilinear(self, out, in1, in2):
        other = unit_normals((300, in2), torch.Generator().manual_seed(1))
        use = Use(
            bilinear((out, in1, in2)), (300, in1), lambda x, weight: F.bilinear(x, other, weight)
        )
        assert_fans_are_the_growth_of_the_second_moment(use)


class TestTables:
    @many
    @given(rows=st.integers(20, 60), width=st.integers(8, 60))
    def test_embedding(self, rows, width):
        """A look-up has no gradient for its input; the product with one-hot rows has."""

        def look_up(x: Tensor, weight: Tensor) -> Tensor:
            rows_hit = x.argmax(1)
            one_hot = F.one_hot(rows_hit, rows).to(weight.dtype)
            assert torch.equal(one_hot @ weight, F.embedding(rows_hit, weight))
            return (x + (one_hot - x).detach()) @ weight

        use = Use(embedding((rows, width)), (100, rows), look_up)
        assert_fans_are_the_growth_of_the_second_moment(use)

    @pytest.mark.parametrize("mode", ["sum", "mean"])
    @pytest.mark.parametrize("bag", [1, 2, 5])
    def test_embedding_bag(self, mode, bag):
        """The gradient is that of the factors of the rows: 1 for the sum, 1 / bag for the mean."""
        rows = torch.arange(300 * bag).reshape(300, bag)  # different ones in a bag, as claimed
        factor = 1 / bag if mode == "mean" else 1.0

        def embed(x: Tensor, weight: Tensor) -> Tensor:
            factors = x + (torch.full_like(x, factor) - x).detach()
            y = F.embedding_bag(rows, weight, mode="sum", per_sample_weights=factors)
            torch.testing.assert_close(y, F.embedding_bag(rows, weight, mode=mode))
            return y

        use = Use(embedding_bag((300 * bag, 30), mode, bag=bag), (300, bag), embed)
        assert_fans_are_the_growth_of_the_second_moment(use)


def call(module: nn.Module, *inputs: Tensor, **weights: Tensor) -> Tensor:
    """The module on double precision inputs, with these weights and biases of zero."""
    zeros = {name: torch.zeros_like(p) for name, p in module.named_parameters()}
    return torch.func.functional_call(module, {**zeros, **weights}, inputs)


def uses_of_parts(
    whole: Layout, input_shape: tuple[int, ...], apply: Callable[[Tensor, Tensor], Tensor]
) -> list[Use]:
    """Each block by its own slice of the output's last axis."""
    ends = list(itertools.accumulate(whole.blocks))
    return [
        Use(
            part,
            input_shape,
            lambda x, weight, end=end, size=size: apply(x, weight)[..., end - size : end],
            whole,
        )
        for part, size, end in zip(whole.parts(), whole.blocks, ends, strict=True)
    ]


class TestPacked:
    @pytest.mark.parametrize("blocks", [3, (40, 40, 40), (60, 30, 30), (12, 100, 8)], ids=str)
    def test_every_block_of_a_linear_weight(self, blocks):
        whole = packed(linear((120, 40)), blocks)
        for use in uses_of_parts(whole, (150, 40), F.linear):
            assert_fans_are_the_growth_of_the_second_moment(use)

    @pytest.mark.parametrize("blocks", [2, (60, 20)], ids=str)
    def test_every_block_of_a_transposed_linear_weight(self, blocks):
        whole = packed(transposed_linear((40, 80)), blocks)
        for use in uses_of_parts(whole, (150, 40), torch.matmul):
            assert_fans_are_the_growth_of_the_second_moment(use)

    def test_gate_and_value_of_experts(self):
        whole = packed(experts((6, 24, 40)), (30, 10))
        for use in uses_of_parts(whole, (6, 80, 24), torch.bmm):
            assert_fans_are_the_growth_of_the_second_moment(use)

    @pytest.mark.parametrize("blocks", [2, (6, 18)], ids=str)
    def test_every_block_of_a_depthwise_convolution(self, blocks):
        whole = packed(conv((24, 1, 4), groups=24), blocks)
        ends = itertools.accumulate(whole.blocks)
        for part, end in zip(whole.parts(), ends, strict=True):
            size = part.shape[0]

            def apply(x: Tensor, weight: Tensor, end: int = end, size: int = size) -> Tensor:
                """The other channels of the input have no part in it."""
                others = torch.zeros(x.shape[0], 24, x.shape[2], dtype=x.dtype)
                filled = torch.cat([others[:, : end - size], x, others[:, end:]], 1)
                return convolve(filled, weight, 24, 1)[:, end - size : end]

            assert_fans_are_the_growth_of_the_second_moment(Use(part, (40, size, 14), apply, whole))

    def test_the_sum_of_all_blocks_is_what_the_input_feels(self):
        whole = packed(linear((60, 30)), (30, 20, 10))
        total = replace(whole, fan_out=whole.fan_out * 3, blocks=())
        assert_fans_are_the_growth_of_the_second_moment(Use(total, (150, 30), F.linear))

    @pytest.mark.parametrize("place", range(3))
    def test_the_projection_of_multihead_attention(self, place):
        layout = Layout.of(nn.MultiheadAttention(36, 4), "in_proj_weight")

        def project(x: Tensor, weight: Tensor) -> Tensor:
            return F._in_projection_packed(x, x, x, weight)[place]

        use = Use(layout.parts()[place], (150, 36), project, layout)
        assert_fans_are_the_growth_of_the_second_moment(use)


class TestRecurrent:
    """Cells of torch with the weight of the state at zero; what a gate sums, from its output."""

    def test_rnn(self):
        cell = nn.RNNCell(20, 50).double()
        use = Use(
            recurrent((50, 20), 1),
            (150, 20),
            lambda x, weight: call(cell, x, weight_ih=weight).atanh(),
        )
        assert_fans_are_the_growth_of_the_second_moment(use)

    def test_the_forget_gate_of_lstm(self):
        cell = nn.LSTMCell(20, 50).double()
        layout = recurrent((200, 20), 4)

        def forget(x: Tensor, weight: Tensor) -> Tensor:
            state = torch.ones(150, 50, dtype=x.dtype)
            kept, new = (call(cell, x, (0 * state, c * state), weight_ih=weight)[1] for c in (1, 0))
            return (kept - new).logit()

        use = Use(layout.parts()[1], (150, 20), forget, layout)
        assert_fans_are_the_growth_of_the_second_moment(use)

    def test_the_update_gate_of_gru(self):
        cell = nn.GRUCell(20, 50).double()
        layout = recurrent((150, 20), 3)

        def update(x: Tensor, weight: Tensor) -> Tensor:
            state = torch.ones(150, 50, dtype=x.dtype)
            kept, new = (call(cell, x, h * state, weight_ih=weight) for h in (1, 0))
            return (kept - new).logit()

        use = Use(layout.parts()[1], (150, 20), update, layout)
        assert_fans_are_the_growth_of_the_second_moment(use)

    def test_the_products_of_input_and_state_add(self):
        cell = nn.RNNCell(20, 50).double()
        hidden = recurrent((50, 50), 1)
        generator = torch.Generator().manual_seed(0)
        growth = []
        for _ in range(REPLICAS):
            ih = unit_normals((50, 20), generator) / math.sqrt(20)
            hh = unit_normals((50, 50), generator) / math.sqrt(hidden.fan_in)
            x, h = (unit_normals((150, n), generator) for n in (20, 50))
            growth.append(float(call(cell, x, h, weight_ih=ih, weight_hh=hh).atanh().var()))
        assert_mean_of_replicas(np.array(growth), 2, RATE, RESOLUTION, "m2 of a gate")


class TestStacks:
    def test_experts(self):
        use = Use(experts((6, 24, 40)), (6, 50, 24), torch.bmm)
        assert_fans_are_the_growth_of_the_second_moment(use)

    def test_transposed_experts(self):
        use = Use(
            experts((6, 40, 24), transposed=True),
            (6, 50, 24),
            lambda x, weight: torch.bmm(x, weight.mT),
        )
        assert_fans_are_the_growth_of_the_second_moment(use)

    @pytest.mark.parametrize("lead", [(), (5,), (2, 3)], ids=str)
    def test_matmul(self, lead):
        use = Use(matmul((*lead, 24, 40)), (*lead, 80, 24), torch.matmul)
        assert_fans_are_the_growth_of_the_second_moment(use)


EINSUMS = [
    ("bi,oi->bo", (40, 24), (150, 24)),
    ("bi,io", (24, 40), (150, 24)),
    (" b i , i o -> b o ", (24, 40), (150, 24)),
    ("bthd,hde->bte", (4, 8, 20), (15, 10, 4, 8)),
    ("bte,ehd->bthd", (20, 4, 8), (15, 10, 20)),
    ("becd,edf->becf", (6, 24, 40), (2, 6, 20, 24)),
    ("...i,io->...o", (24, 40), (5, 30, 24)),
    ("...i,io", (24, 40), (5, 30, 24)),
    ("b...gi,gio->b...go", (3, 24, 40), (5, 20, 3, 24)),
    ("bhqd,hdk->bhqk", (3, 16, 30), (4, 3, 20, 16)),
]


class TestEinsum:
    @pytest.mark.parametrize(("equation", "shape", "input_shape"), EINSUMS)
    def test_einsum(self, equation, shape, input_shape):
        use = Use(
            einsum(equation, shape),
            input_shape,
            lambda x, weight: torch.einsum(equation, x, weight),
        )
        assert_fans_are_the_growth_of_the_second_moment(use)

    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(st.data())
    def test_fans_count_the_products_of_any_equation(self, data):
        """With ones everywhere an output is the number of its products, and so is a gradient."""
        size = {index: data.draw(st.integers(1, 3), index) for index in "abcdefgh"}
        letters = iter(data.draw(st.permutations("abcdefgh")))
        outs, ins, batches, rests = (
            [next(letters) for _ in range(data.draw(st.integers(0, 2)))] for _ in range(4)
        )
        own = data.draw(st.permutations([*outs, *ins, *batches]))
        other = data.draw(st.permutations([*ins, *batches, *rests]))
        result = data.draw(st.permutations([*outs, *batches, *rests]))
        first = data.draw(st.booleans(), "the weight comes first")
        terms = [own, other] if first else [other, own]
        equation = ",".join("".join(t) for t in terms) + "->" + "".join(result)

        shape = tuple(size[index] for index in own)
        weight = torch.ones(shape)
        x = torch.ones([size[index] for index in other], requires_grad=True)
        y = torch.einsum(equation, *([weight, x] if first else [x, weight]))
        y.sum().backward()

        layout = einsum(equation, shape, operand=0 if first else 1)
        assert set(y.flatten().tolist()) == {layout.fan_in}
        assert set(x.grad.flatten().tolist()) == {layout.fan_out}
        for axes, indices in (
            (layout.out_axes, outs),
            (layout.in_axes, ins),
            (layout.batch_axes, batches),
        ):
            assert {own[axis] for axis in axes} == set(indices)

    def test_with_several_operands_the_first_other_feels_fan_out(self):
        weight, x1, x2 = torch.ones(7, 5, 3), torch.ones(2, 5, requires_grad=True), torch.ones(2, 3)
        y = torch.einsum("bi,oij,bj->bo", x1, weight, x2)
        y.sum().backward()
        layout = einsum("bi,oij,bj->bo", (7, 5, 3))
        assert set(y.flatten().tolist()) == {layout.fan_in}
        assert set(x1.grad.flatten().tolist()) == {layout.fan_out}
