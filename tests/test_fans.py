"""Fans: the numbers by hand, and by what the operations of torch do to second moments."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fanin.errors import FanError, InputError
from fanin.fans import (
    Layout,
    bilinear,
    conv,
    conv_transpose,
    embedding,
    linear,
    of_plain_weight,
)
from tests.claims import assert_mean_of_replicas


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """The tensors are small: a second thread of torch would only wait for a shared core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class TestNumbers:
    @pytest.mark.parametrize(
        ("layout", "fan_in", "fan_out"),
        [
            (linear((10, 200)), 200, 10),
            (linear((1, 1)), 1, 1),
            (linear((5, 0)), 0, 5),
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
            (bilinear((7, 5, 3)), 15, 21),
            (of_plain_weight((10, 200)), 200, 10),
            (of_plain_weight((12, 8, 5)), 40, 60),
            (of_plain_weight((64, 32, 3, 3)), 288, 576),
            (of_plain_weight((6, 4, 3, 3, 3)), 108, 162),
        ],
        ids=str,
    )
    def test_fans_of_methods_section_1(self, layout, fan_in, fan_out):
        assert (layout.fan_in, layout.fan_out) == (fan_in, fan_out)

    def test_a_whole_fan_is_an_integer(self):
        assert type(conv_transpose((8, 12, 4, 4), stride=2).fan_in) is int
        assert repr(conv_transpose((5, 12, 3), stride=2).fan_in) == "7.5"

    @pytest.mark.parametrize(
        ("layout", "op", "out_axis", "groups"),
        [
            (linear((10, 200)), "linear", 0, 1),
            (conv((12, 2, 3), groups=4), "conv", 0, 4),
            (conv_transpose((8, 3, 4), groups=4), "conv_transpose", 1, 4),
            (embedding((1000, 64)), "embedding", 1, 1),
            (bilinear((7, 5, 3)), "bilinear", 0, 1),
        ],
        ids=str,
    )
    def test_a_layout_says_what_it_is_of(self, layout, op, out_axis, groups):
        assert (layout.op, layout.out_axis, layout.groups) == (op, out_axis, groups)

    def test_shapes_of_torch_are_shapes(self):
        weight = torch.nn.Conv2d(8, 12, 3, groups=4).weight
        layout = conv(weight.shape, groups=4)
        assert layout == conv([12, 2, 3, 3], groups=4)
        assert type(layout.shape) is tuple
        assert hash(layout) == hash(conv((12, 2, 3, 3), groups=4))

    def test_layouts_are_frozen(self):
        with pytest.raises(FrozenInstanceError):
            linear((10, 200)).fan_in = 3

    def test_torch_counts_a_depthwise_convolution_otherwise(self):
        """The trap that a layout is there for: torch sees the shape only."""
        weight = torch.empty(32, 1, 3, 3)
        assert torch.nn.init._calculate_fan_in_and_fan_out(weight) == (9, 288)
        layout = conv(weight.shape, groups=32)
        assert (layout.fan_in, layout.fan_out) == (9, 9)

    def test_torch_swaps_the_axes_of_a_transposed_convolution(self):
        weight = torch.nn.ConvTranspose2d(8, 12, 4, stride=2).weight
        assert torch.nn.init._calculate_fan_in_and_fan_out(weight) == (192, 128)
        layout = conv_transpose(weight.shape, stride=2)
        assert (layout.fan_in, layout.fan_out) == (32, 192)


class TestRefusals:
    @pytest.mark.parametrize(
        ("make", "text"),
        [
            (lambda: linear((3,)), r"the weight of linear has shape \(out, in\), got \(3,\)"),
            (
                lambda: linear((3, 4, 5)),
                r"the weight of linear has shape \(out, in\), got \(3, 4, 5\)",
            ),
            (
                lambda: conv((3, 4)),
                r"the weight of conv has shape \(out, in / groups, \*kernel\), got",
            ),
            (
                lambda: conv_transpose((3, 4)),
                r"of conv_transpose has shape \(in, out / groups, \*kernel\), got \(3, 4\)",
            ),
            (
                lambda: embedding((3,)),
                r"the weight of embedding has shape \(rows, width\), got \(3,\)",
            ),
            (lambda: bilinear((3, 4)), r"the weight of bilinear has shape \(out, in1, in2\), got"),
            (
                lambda: conv((8, 1, 3), groups=3),
                r"^groups=3 does not divide the 8 channels of axis 0 of conv's .* \(8, 1, 3\)$",
            ),
            (lambda: conv((8, 1, 3), groups=0), "groups=0 does not divide the 8 channels"),
            (lambda: conv((8, 1, 3), groups=-2), "groups=-2 does not divide the 8 channels"),
            (
                lambda: conv_transpose((8, 1, 3), groups=5),
                "groups=5 does not divide the 8 channels of axis 0 of conv_transpose's weight",
            ),
            (lambda: of_plain_weight(()), r"no fan_in for shape \(\): it has 0 axes"),
            (lambda: of_plain_weight((768,)), r"no fan_in for shape \(768,\): it has 1 ax"),
            (lambda: of_plain_weight((1,) * 6), "it has 6 axes, but a weight that maps"),
        ],
    )
    def test_shapes_without_fans(self, make, text):
        with pytest.raises(FanError, match=text) as error:
            make()
        assert isinstance(error.value, InputError)
        assert isinstance(error.value, ValueError)

    def test_the_refusal_of_a_vector_names_what_helps(self):
        with pytest.raises(FanError) as error:
            of_plain_weight((768,))
        assert "Give a layout (fanin.fans), or a scheme without fans" in str(error.value)


@dataclass(frozen=True)
class Use:
    """An operation with the shapes of its input and weight, on a torus: no borders."""

    layout: Layout
    input_shape: tuple[int, ...]
    apply: Callable[[Tensor, Tensor], Tensor]


def convolution(axes: int) -> Callable[..., Tensor]:
    return (F.conv1d, F.conv2d, F.conv3d)[axes - 1]


def convolve(x: Tensor, weight: Tensor, groups: int, dilation: int) -> Tensor:
    kernel = weight.shape[2:]
    ring = [p for k in reversed(kernel) for p in (0, (k - 1) * dilation)]
    padded = F.pad(x, ring, mode="circular")
    return convolution(len(kernel))(padded, weight, groups=groups, dilation=dilation)


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
    x = torch.randn(shape, generator=generator)
    return x / x.square().mean().sqrt()


def draw_replica(use: Use, generator: torch.Generator) -> tuple[float, float]:
    """Mean squares of output and input gradient, where weight, input and output gradient have
    mean square 1.
    """
    weight = unit_normals(use.layout.shape, generator)
    x = unit_normals(use.input_shape, generator).requires_grad_()
    y = use.apply(x, weight)
    (gradient,) = torch.autograd.grad(y, x, unit_normals(tuple(y.shape), generator))
    return float(y.detach().square().mean()), float(gradient.square().mean())


# Replicas give each check its tolerance; their count decides how sharp it is.
REPLICAS = 60
# A check must tell fans that are this far apart, relative to the right one.
RESOLUTION = 0.1
EXAMPLES = 12
# The chance that any of the checks (six operations, two a use) fails although all is right.
RATE = 1e-6 / (6 * EXAMPLES * 2)


def assert_fans_are_the_growth_of_the_second_moment(use: Use, fan_out: float | None = None) -> None:
    generator = torch.Generator().manual_seed(0)
    replicas = np.array([draw_replica(use, generator) for _ in range(REPLICAS)])
    layout = use.layout
    fan_out = layout.fan_out if fan_out is None else fan_out
    what = f"of {layout}"
    assert_mean_of_replicas(replicas[:, 0], layout.fan_in, RATE, RESOLUTION, f"fan_in {what}")
    assert_mean_of_replicas(replicas[:, 1], fan_out, RATE, RESOLUTION, f"fan_out {what}")


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


class TestAgainstTorch:
    @many
    @given(out=st.integers(8, 60), in_=st.integers(8, 60))
    def test_linear(self, out, in_):
        use = Use(linear((out, in_)), (100, in_), F.linear)
        assert_fans_are_the_growth_of_the_second_moment(use)

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

    @many
    @given(out=st.integers(6, 16), in1=st.integers(6, 16), in2=st.integers(6, 16))
    def test_bilinear(self, out, in1, in2):
        other = unit_normals((300, in2), torch.Generator().manual_seed(1))
        use = Use(
            bilinear((out, in1, in2)), (300, in1), lambda x, weight: F.bilinear(x, other, weight)
        )
        assert_fans_are_the_growth_of_the_second_moment(use)

    @pytest.mark.parametrize("kernel", [2, 3, 4, 5])
    def test_a_stride_divides_the_gradients_sum_and_not_the_fan(self, kernel):
        """Schemes use the value without it; what the gradient feels is fan_out / stride."""
        use = Use(
            conv((8, 6, kernel)),
            (10, 6, 24),
            lambda x, weight: F.conv1d(
                F.pad(x, (0, kernel - 1), mode="circular"), weight, stride=2
            ),
        )
        assert_fans_are_the_growth_of_the_second_moment(use, use.layout.fan_out / 2)

    @pytest.mark.parametrize(
        ("fan_in", "fan_out"),
        [(wrong, 9) for wrong in (7, 12, 288)] + [(9, wrong) for wrong in (7, 12, 288)],
    )
    def test_wrong_fans_are_noticed(self, fan_in, fan_out):
        """The power of these checks, 288 being what torch takes for this convolution."""
        wrong = Layout("conv", (32, 1, 3, 3), fan_in, fan_out, 0, 32)
        use = Use(wrong, (4, 32, 8, 8), lambda x, weight: convolve(x, weight, 32, 1))
        with pytest.raises(AssertionError, match=r"^fan_(in|out) of .* is (8\.9|9)"):
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

    weight = torch.randn((3, 4, 5), generator=generator)
    scattered = torch.zeros(2, 4, 20)
    for i, tap in itertools.product(range(10), range(5)):
        scattered[:, :, (2 * i + tap) % 20] += x[:, :, i] @ weight[:, :, tap]
    torch.testing.assert_close(convolve_transposed(x, weight, 1, 2), scattered)


@pytest.mark.parametrize("stride", [0, (2,), (2, 0), (1, 1, 1)])
def test_a_stride_that_does_not_fit_a_transposed_convolution(stride):
    with pytest.raises(FanError, match="2 positive steps are needed"):
        conv_transpose((3, 4, 5, 5), stride=stride)


@pytest.mark.parametrize(
    ("module", "fans"),
    [
        (torch.nn.Linear(3, 5), (3, 5)),
        (torch.nn.Conv1d(4, 6, 3), (12, 18)),
        (torch.nn.Conv2d(32, 32, 3, groups=32), (9, 9)),
        (torch.nn.Conv3d(4, 6, 2, groups=2), (16, 24)),
        (torch.nn.ConvTranspose2d(8, 12, 4, stride=2), (32, 192)),
        (torch.nn.ConvTranspose1d(8, 12, 4, groups=4), (8, 12)),
        (torch.nn.Embedding(7, 5), (1, 5)),
        (torch.nn.EmbeddingBag(7, 5), (1, 5)),
        (torch.nn.Bilinear(3, 4, 5), (12, 20)),
        (torch.nn.MultiheadAttention(8, 2).out_proj, (8, 8)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_layout_of_a_module(module, fans):
    layout = Layout.of(module)
    assert (layout.fan_in, layout.fan_out) == fans
    assert layout.shape == tuple(module.weight.shape)


@pytest.mark.parametrize("module", [torch.nn.LayerNorm(4), torch.nn.LSTM(3, 4), "a module"])
def test_a_module_without_known_fans(module):
    with pytest.raises(FanError, match=f"no fan_in for the weight of {type(module).__name__}"):
        Layout.of(module)


@pytest.mark.parametrize("shape", [5, (-3, 4), (3.5, 4), "ab", None])
def test_a_shape_that_is_none(shape):
    with pytest.raises(FanError, match="the shape of linear's weight must be a tuple of sizes"):
        linear(shape)


def test_a_lazy_module_has_no_fans_yet():
    with pytest.raises(FanError, match="once they have a shape"):
        Layout.of(torch.nn.LazyLinear(3))
