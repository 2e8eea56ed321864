"""gain: right to nine digits for everything that torch and transformers call an activation."""

from __future__ import annotations

import functools
import math
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from rich.console import Console
from torch import nn

import fanin
from fanin.errors import InputError, UnknownNameError
from fanin.theory import expect, gain, gains
from fanin.theory.names import NAMED
from tests.claims import assert_close
from tests.theory.exact import FORMULAS, exact_gain, exact_gain_of, leaky, xielu

NINE_DIGITS = 1e-9

# The rules of the field's literature, in ten digits.
ANCHORS = {
    "relu": 1.4142135624, "leaky_relu": 1.4141428570, "prelu": 1.3719886811, "abs": 1.0,
    "linear": 1.0, "elu": 1.2451983007, "selu": 1.0, "gelu": 1.5335304412,
    "gelu_tanh": 1.5335805217, "quick_gelu": 1.5394587623, "silu": 1.6765324703,
    "mish": 1.4868475813, "hardswish": 1.7366572128, "tanh": 1.5925374197, "erf": 1.4671669505,
    "sigmoid": 1.8462285453, "hardtanh": 1.3920361404, "softsign": 2.3375333631,
    "atan": 1.4912076181, "sin": 1.5208666232, "tanhshrink": 2.3383675301,
    "softplus": 1.0418668355, "shifted_softplus": 1.8755962561, "hardsigmoid": 1.8978404247,
    "relu6": 1.4142135651, "relu_squared": 0.8164965809, "rrelu": 1.3784796645,
}  # fmt: skip

# What the classes of torch.nn.modules.activation are, or why they have no gain.
TORCH = {
    "ReLU": "relu", "Hardtanh": "hardtanh", "ReLU6": "relu6", "Sigmoid": "sigmoid",
    "Hardsigmoid": "hardsigmoid", "Tanh": "tanh", "SiLU": "silu", "Mish": "mish",
    "Hardswish": "hardswish", "ELU": "elu", "CELU": "elu", "SELU": "selu", "GLU": "sigmoid",
    "GELU": "gelu", "Hardshrink": "hardshrink", "LeakyReLU": "leaky_relu",
    "LogSigmoid": "logsigmoid", "Softplus": "softplus", "Softshrink": "softshrink",
    "PReLU": "prelu", "Softsign": "softsign", "Tanhshrink": "tanhshrink",
}  # fmt: skip
TORCH_WITHOUT = {
    "Threshold": "needs arguments",
    "MultiheadAttention": "needs arguments",
    "Softmin": "depends on all inputs",
    "Softmax": "depends on all inputs",
    "Softmax2d": "depends on all inputs",
    "LogSoftmax": "depends on all inputs",
}
RRELU = math.sqrt(2 / (1 + (0.01 + 0.03 + 0.09) / 3))
TRAINING = {"RReLU": math.sqrt(2 / (1 + (1 / 64 + 1 / 24 + 1 / 9) / 3))}

TRANSFORMERS = {
    "gelu": "gelu", "gelu_10": "gelu_10", "gelu_fast": "gelu_tanh", "gelu_new": "gelu_tanh",
    "gelu_python": "gelu", "gelu_pytorch_tanh": "gelu_tanh", "gelu_python_tanh": "gelu_tanh",
    "gelu_accurate": "gelu_tanh", "hardswish": "hardswish", "laplace": "laplace",
    "leaky_relu": "leaky_relu", "linear": "linear", "mish": "mish", "quick_gelu": "quick_gelu",
    "relu": "relu", "relu2": "relu_squared", "relu6": "relu6", "sigmoid": "sigmoid",
    "silu": "silu", "sqrtsoftplus": "sqrtsoftplus", "swish": "silu", "tanh": "tanh",
    "prelu": "prelu",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(ANCHORS))
def test_anchors(name: str) -> None:
    assert abs(gain(name) - ANCHORS[name]) <= 5.1e-11


@pytest.mark.parametrize("name", sorted(NAMED))
def test_every_name_against_mpmath(name: str) -> None:
    assert_close(gain(name), exact_gain_of(name), 1e-12, name)


def test_no_activation_of_torch_is_forgotten() -> None:
    assert set(nn.modules.activation.__all__) == {*TORCH, *TORCH_WITHOUT, *TRAINING}


@pytest.mark.parametrize("name", nn.modules.activation.__all__)
def test_every_activation_of_torch_against_mpmath(name: str) -> None:
    cls = getattr(nn, name)
    if name in TORCH_WITHOUT:
        with pytest.raises(InputError, match=TORCH_WITHOUT[name]):
            gain(cls)
        return
    exact = TRAINING[name] if name in TRAINING else exact_gain_of(TORCH[name])
    # torch's softplus is linear beyond 20, where z is once in 1e88
    assert_close(gain(cls), exact, NINE_DIGITS, name)
    assert_close(gain(cls()), exact, NINE_DIGITS, f"an instance of {name}")


def test_every_activation_of_transformers_against_mpmath() -> None:
    activations = pytest.importorskip("transformers.activations")
    for name in activations.ACT2FN:
        module = activations.ACT2FN[name]
        if name == "xielu":
            slopes = [
                float(F.softplus(a.detach().double())) for a in (module.alpha_p, module.alpha_n)
            ]
            exact = exact_gain(xielu(slopes[0], 0.5 + slopes[1], 0.5))
        else:
            # gelu_fast has sqrt(2/pi) in ten digits
            exact = exact_gain_of(TRANSFORMERS[name])
            assert_close(gain(name), exact, NINE_DIGITS, f"the name {name}")
        assert_close(gain(module), exact, NINE_DIGITS, name)


@pytest.mark.parametrize(
    ("module", "exact"),
    [
        (nn.LeakyReLU(0.2), leaky(0.2)),
        (nn.ELU(0.5), (lambda z: z if z > 0 else 0.5 * math.expm1(z), (0.0,))),
        (nn.GELU("tanh"), FORMULAS["gelu_tanh"]),
        (nn.Threshold(0.1, 20.0), (lambda z: z if z > 0.1 else 20.0, (0.1,))),
        (nn.Hardtanh(-0.3, 0.7), (lambda z: min(max(z, -0.3), 0.7), (-0.3, 0.7))),
        (nn.Hardshrink(1.7), (lambda z: z if abs(z) > 1.7 else 0.0, (-1.7, 1.7))),
        (nn.Softplus(beta=3.0), (lambda z: math.log1p(math.exp(3 * float(z))) / 3, ())),
        (nn.RReLU().eval(), FORMULAS["rrelu"]),
        (nn.PReLU(8), FORMULAS["prelu"]),
        (nn.ReLU(inplace=True), FORMULAS["relu"]),
        (nn.Dropout(0.3).eval(), FORMULAS["linear"]),
        (torch.relu, FORMULAS["relu"]),
        (F.relu_, FORMULAS["relu"]),
        (F.hardswish, FORMULAS["hardswish"]),
        (functools.partial(F.leaky_relu, negative_slope=0.2), leaky(0.2)),
        (np.tanh, FORMULAS["tanh"]),
        (np.floor, (math.floor, tuple(range(-13, 14)))),
        (math.erf, FORMULAS["erf"]),
        (round, (round, tuple(k + 0.5 for k in range(-13, 13)))),
        (abs, FORMULAS["abs"]),
        (lambda z: z if z > 0 else 0.2 * z, leaky(0.2)),
        (lambda z: max(z, 0.0), FORMULAS["relu"]),
        (lambda z: z.clamp(min=0.0), FORMULAS["relu"]),
        (lambda z: z * torch.sigmoid(z), FORMULAS["silu"]),
        (lambda z: z / (1 + np.exp(-z)), FORMULAS["silu"]),
        (lambda z: z > 0, FORMULAS["step"]),
        (lambda z: np.where(z > 0.7310585, 1.0, -0.2), None),
        (lambda z: 3.0, (lambda z: 3.0, ())),
    ],
)
def test_modules_functions_and_lambdas(module: object, exact: object) -> None:
    if exact is None:
        exact = (lambda z: 1.0 if z > 0.7310585 else -0.2, (0.7310585,))
    assert_close(gain(module), exact_gain(exact), NINE_DIGITS)  # type: ignore[arg-type]


@pytest.mark.parametrize("w", [1.0, 30.0, 1000.0])
def test_sines_of_any_frequency(w: float) -> None:
    assert_close(gain(lambda z: np.sin(w * z)), math.sqrt(2 / -math.expm1(-2 * w * w)), 1e-11)


def test_exp_has_a_gain_and_exp_of_a_square_has_none() -> None:
    assert_close(gain(torch.exp), math.exp(-1.0), 1e-12)
    with pytest.raises(InputError, match=r"the lambda has no gain: .* infinite"):
        gain(lambda z: np.exp(z * z))


def swiglu_of_halves(x: torch.Tensor) -> torch.Tensor:
    a, b = x.chunk(2, dim=-1)
    return a * F.silu(b)


@pytest.mark.parametrize(
    ("unit", "gate"),
    [
        ("glu", "sigmoid"), ("SwiGLU", "silu"), ("geglu", "gelu"), ("reglu", "relu"),
        ("bilinear", "linear"), (nn.GLU(), "sigmoid"), (nn.GLU(dim=0), "sigmoid"),
        (F.glu, "sigmoid"), (swiglu_of_halves, "silu"),
        (lambda x: F.gelu(x[..., ::2]) * x[..., 1::2], "gelu"),
    ],
)  # fmt: skip
def test_gated_units_have_the_gain_of_their_gate(unit: object, gate: str) -> None:
    assert_close(gain(unit), gain(gate), NINE_DIGITS)
    assert gain(unit) == gain(unit)


def test_a_gated_unit_on_random_halves_keeps_the_second_moment() -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(400_000, 2, generator=draw, dtype=torch.float64)
    measured = float(swiglu_of_halves(x).square().mean())
    assert_close(gain("swiglu") ** -2, measured, 0.02)


@pytest.mark.parametrize(
    ("module", "exact"),
    [
        (nn.Dropout(0.36), 0.8),
        (nn.Dropout2d(0.19), 0.9),
        (nn.AlphaDropout(0.2), 1.0),
        (F.dropout, math.sqrt(0.5)),
        (functools.partial(F.dropout, p=0.36), 0.8),
        (functools.partial(F.rrelu, lower=0.1, upper=0.3, training=True), RRELU),
    ],
)
def test_random_activations_have_the_gain_of_their_mean_square(
    module: object, exact: float
) -> None:
    assert_close(gain(module), exact, NINE_DIGITS)


def test_mean_squares_against_draws() -> None:
    torch.manual_seed(0)
    z = torch.randn(1_000_000, dtype=torch.float64)
    for module in (nn.RReLU(0.1, 0.9), nn.AlphaDropout(0.3), nn.Dropout(0.4)):
        # relative standard error below 0.3%
        assert_close(float(module(z).square().mean()), gain(module) ** -2, 0.012, repr(module))


ERRORS = {
    "five": (5, "a torch.nn module or a function, got 5"),
    "none": (None, "got None"),
    "a tensor": (torch.zeros(3), "a name such as 'gelu'"),
    "a class": (int, "the class int is no activation"),
    "softmax": ("log_softmax", "Use gain 1 for the layer before it"),
    "F.softmax": (F.softmax, "depends on all inputs"),
    "maxout": ("maxout", "largest of several inputs"),
    "maxout as a lambda": (lambda x: x.reshape(-1, 2).max(-1), "half as many numbers"),
    "a norm": (nn.LayerNorm(8), "sets the scale of its input by itself"),
    "a norm as a lambda": (lambda x: x / x.std(), "depends on the other numbers"),
    "a sum": (lambda x: x.sum(), "depends on the other numbers"),
    "places": (lambda x: x * np.arange(x.size), "on their order"),
    "a layer": (nn.Linear(38, 38), "depends on the other numbers"),
    "another layer": (nn.Linear(3, 4), "could not be called with a tensor"),
    "attention": (nn.MultiheadAttention(4, 2), "a layer with weights of its own"),
    "another shape": (lambda x: x[:5], "returned the shape"),
    "random": (lambda x: x + torch.randn(x.shape), "it is random"),
    "random in numpy": (lambda x: x + np.random.randn(x.size), "it is random"),  # noqa: NPY002
    "a module with dropout": (nn.Sequential(nn.ReLU(), nn.Dropout()), "it is random"),
    "dropout without a rate": ("dropout", "says no rate"),
    "nan": (np.log, "it is nan at z = -"),
    "complex": (lambda z: 1j * z, "complex"),
    "zero": (lambda z: 0 * z, "returns 0 for every number"),
    "float32": (lambda z: z.float(), "must keep the type of its input"),
    "bfloat16": (lambda z: z.bfloat16(), "must keep the type of its input"),
    "text": (lambda z: "a", "returned a str, not numbers"),
    "nothing": (lambda z: None, "returned None"),
    "a tuple": (lambda z: (torch.relu(z), "x"), "a tuple of 2"),
    "two arguments": (F.threshold, "functools.partial"),
    "raises": (lambda z: undefined(z), "undefined"),  # noqa: F821
    "slopes by channel": ("several", "different slopes"),
    "exp(exp)": (lambda z: np.exp(np.exp(z)), "infinite"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_what_has_no_gain_is_refused_by_what_is_wrong(case: str) -> None:
    subject, message = ERRORS[case]
    if subject == "several":
        subject = nn.PReLU(2)
        subject.weight.data[0] = 0.5
    with pytest.raises(InputError, match=message) as caught:
        gain(subject)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("name", "near"), [("geluu", "gelu"), ("LeakyRelus", "leaky_relu"), ("hard_swich", "hardswish")]
)
def test_a_misspelt_name_offers_the_nearest(name: str, near: str) -> None:
    with pytest.raises(UnknownNameError, match=f"no activation is called {name!r}.*{near}"):
        gain(name)


def test_spellings_of_one_name() -> None:
    names = ("leaky_relu", "LeakyReLU", "leaky-relu", "Leaky ReLU")
    assert len({gain(name) for name in names}) == 1


def test_a_lambda_is_not_mistaken_for_another_or_for_itself_with_other_values() -> None:
    slope = 0.5
    bent = lambda z: np.where(z < 0, slope * z, z)  # noqa: E731
    first = gain(bent)
    slope = 0.1
    assert_close(first, gain(nn.LeakyReLU(0.5)), 1e-12)
    assert_close(gain(bent), gain(nn.LeakyReLU(0.1)), 1e-12)
    values = [gain(lambda z, p=p: np.where(z < 0, p * z, z)) for p in (0.1, 0.2, 0.3)]
    assert_close(values[1], gain(nn.LeakyReLU(0.2)), 1e-12)
    assert len(set(values)) == 3


def test_what_a_function_reads_elsewhere_counts() -> None:
    limits = [1.0]
    holder = nn.Hardtanh(-1.0, 1.0)
    clipped = lambda z: np.clip(z, -limits[0], limits[0])  # noqa: E731
    before = gain(clipped), gain(holder)
    limits[0] = holder.max_val = 2.0
    holder.min_val = -2.0
    assert_close(before[0], before[1], 1e-12)
    assert_close(gain(clipped), gain(holder), 1e-12)
    assert gain(clipped) < before[0]


def test_a_trained_slope_counts() -> None:
    module = nn.PReLU()
    first = gain(module)
    with torch.no_grad():
        module.weight.fill_(0.75)
    assert_close(first, gain("prelu"), 1e-12)
    assert_close(gain(module), math.sqrt(2 / (1 + 0.75**2)), 1e-12)
    relu = nn.RReLU()
    assert gain(relu) != gain(relu.eval())


@pytest.mark.parametrize(
    "subject",
    ["gelu", nn.GELU(), torch.tanh, math.tanh, lambda z: np.tanh(2 * z), swiglu_of_halves],
)
def test_a_gain_once_seen_is_had_in_less_than_a_millisecond(subject: object) -> None:
    gain(subject)
    times = []
    for _ in range(20):
        began = time.perf_counter()
        gain(subject)
        times.append(time.perf_counter() - began)
    assert min(times) < 1e-3


def test_modules_and_random_states_stay_as_they_were() -> None:
    module = nn.Sequential(nn.PReLU(), nn.BatchNorm1d(4), nn.Dropout())
    before = {k: v.clone() for k, v in module.state_dict().items()}
    np.random.seed(3)  # noqa: NPY002  (the global state is what is tested)
    states = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    for subject in (module, module[0], nn.Dropout(), lambda x: x + torch.randn(x.shape)):
        try:
            gain(subject)
        except InputError:
            continue
    after = module.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert module.training
    assert all(p.requires_grad and p.dtype == torch.float32 for p in module.parameters())
    assert torch.equal(states[0], torch.get_rng_state())
    assert np.array_equal(states[1], np.random.get_state()[1])  # noqa: NPY002


def test_gradients_and_defaults_of_the_caller_do_not_matter() -> None:
    expected = gain(lambda z: torch.tanh(z) * 0.5)
    for context in (torch.no_grad, torch.inference_mode):
        with context():
            assert gain(lambda z: torch.tanh(z) * 0.5 + 0.0) == expected


def test_gains_are_the_same_in_every_process() -> None:
    code = (
        "import sys, fanin, math\n"
        "from fanin.theory import gain\n"
        "print(fanin.gain('gelu').hex(), gain('mish').hex(), gain(math.erf).hex())\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    expected = " ".join(gain(name).hex() for name in ("gelu", "mish", math.erf))
    assert done.stdout.split("\n")[:2] == [expected, "False"]


def test_float32_inside_is_borne_but_not_hidden() -> None:
    inside = gain(lambda z: F.gelu(z.float()).double())
    assert_close(inside, gain("gelu"), 1e-7)


def test_the_table_has_every_name_and_fits_80_columns() -> None:
    table = gains()
    assert [row.name for row in table] == list(NAMED)
    assert len(table.to_dict()["rows"]) == len(table)
    console = Console(width=80, record=True, force_terminal=False)
    with console.capture() as captured:
        console.print(table)
    lines = captured.get().splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.split()[:3] == ["tanh", "1.5925374197", "1.6666666667"] for line in lines)


def test_the_table_has_torchs_gains_and_says_why_they_differ() -> None:
    for row in gains():
        if row.torch_gain is not None:
            assert_close(row.torch_gain, nn.init.calculate_gain(row.name), 1e-15)
            assert (row.reason != "") == (abs(row.torch_gain - row.gain) > 1e-9)
        else:
            with pytest.raises(ValueError):
                nn.init.calculate_gain(row.name)


def test_torchs_gain_of_tanh_settles_at_what_the_table_says() -> None:
    def drift(q: float) -> float:
        return (5 / 3) ** 2 * expect(lambda z: np.tanh(z) ** 2, std=math.sqrt(q)) - q

    assert drift(1.177) > 0 > drift(1.180)


def test_it_is_had_from_the_top() -> None:
    assert fanin.gain is gain
