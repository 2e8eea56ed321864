"""Whatever a program may ask of torch.nn.init, it may ask of fanin.nn_init, and is answered alike.

The expected answers are computed by calling torch.
"""

from __future__ import annotations

import inspect
import math
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import init as torchs

from fanin import nn_init as ours

INF, NAN = math.inf, math.nan
BARE = {
    "uniform_": (),
    "normal_": (),
    "trunc_normal_": (),
    "constant_": (0.5,),
    "ones_": (),
    "zeros_": (),
    "eye_": (),
    "dirac_": (),
    "xavier_uniform_": (),
    "xavier_normal_": (),
    "kaiming_uniform_": (),
    "kaiming_normal_": (),
    "orthogonal_": (),
    "sparse_": (0.5,),
}
"""Every function of a tensor, with the arguments that it cannot do without."""
OLD = ["uniform", "normal", "constant", "eye", "dirac", "xavier_uniform", "xavier_normal"]
OLD += ["kaiming_uniform", "kaiming_normal", "orthogonal", "sparse"]
PRIVATE = ["_calculate_fan_in_and_fan_out", "_calculate_correct_fan", "_make_deprecate"]
PRIVATE += ["_no_grad_uniform_", "_no_grad_normal_", "_no_grad_trunc_normal_"]
PRIVATE += ["_no_grad_fill_", "_no_grad_zero_"]

each_function = pytest.mark.parametrize("name", BARE)


class TestNames:
    def test_all_is_torchs(self):
        assert ours.__all__ == torchs.__all__

    def test_the_tables_here_leave_nothing_out(self):
        assert {*BARE, *OLD, "calculate_gain"} == set(torchs.__all__)
        functions = {
            name for name, value in vars(torchs).items() if inspect.isroutine(value)
        } - set(torchs.__all__)
        assert set(PRIVATE) == functions

    @pytest.mark.parametrize("name", [*torchs.__all__, *PRIVATE])
    def test_signatures_are_torchs(self, name):
        def parameters(function: Callable[..., Any]) -> list[tuple[str, Any, Any]]:
            found = inspect.signature(function).parameters.values()
            return [(p.name, p.kind, p.default) for p in found]

        assert parameters(getattr(ours, name)) == parameters(getattr(torchs, name))
        assert getattr(ours, name).__name__ == getattr(torchs, name).__name__

    @pytest.mark.parametrize("name", torchs.__all__)
    def test_every_public_function_says_what_it_does(self, name):
        assert (getattr(ours, name).__doc__ or "").strip()


def answer(module: Any, name: str, make: Callable[[], Any], *args: Any, **options: Any) -> Any:
    """What a call says, in words that can be compared: an error, or the kind of a result."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tensor = make()
        # Making the tensor may warn too, and some of torch's warnings come but once.
        del caught[:]
        try:
            result = getattr(module, name)(tensor, *args, **options)
        except Exception as error:  # noqa: BLE001  (whatever it is, it is compared)
            said: Any = (type(error), re.sub("0x[0-9a-f]+", "0x", str(error)))
        else:
            said = ("the tensor itself", result is tensor, result.requires_grad, result.is_leaf)
    of_init = [w for w in caught if "Initializing zero-" in str(w.message) or "nn.init" in str(w)]
    return said, [(w.category, str(w.message)) for w in of_init]


def same_answer(name: str, make: Callable[[], Any], *args: Any, **options: Any) -> Any:
    expected = answer(torchs, name, make, *args, **options)
    assert answer(ours, name, make, *args, **options) == expected
    return expected


def zeros(*shape: int, **options: Any) -> Callable[[], Tensor]:
    return lambda: torch.zeros(shape, **options)


def view_of(make: Callable[[], Tensor], change: Callable[[Tensor], Tensor]) -> Callable[[], Tensor]:
    return lambda: change(make())


TENSORS: dict[str, Callable[[], Any]] = {
    **{f"{axes} axes": zeros(*(4, 3, 2, 2, 1, 2)[:axes]) for axes in range(7)},
    **{f"empty {shape}": zeros(*shape) for shape in [(0,), (0, 3), (3, 0), (0, 0), (0, 2, 3)]},
    **{
        str(dtype): zeros(4, 3, dtype=dtype)
        for dtype in [
            torch.float64,
            torch.bfloat16,
            torch.float16,
            torch.float8_e4m3fn,
            torch.int64,
            torch.uint8,
            torch.bool,
            torch.complex64,
            torch.complex128,
            torch.complex32,
        ]
    },
    "meta": zeros(4, 3, device="meta"),
    "meta, three axes": zeros(4, 3, 2, device="meta"),
    "meta, integers": zeros(4, 3, device="meta", dtype=torch.int32),
    "parameter": lambda: torch.nn.Parameter(torch.zeros(4, 3)),
    "buffer": lambda: torch.nn.Buffer(torch.zeros(4, 3)),
    "part of a parameter": lambda: torch.nn.Parameter(torch.zeros(4, 3))[:2],
    "result of an operation": lambda: torch.nn.Parameter(torch.zeros(4, 3)) * 1,
    "uninitialized parameter": torch.nn.UninitializedParameter,
    "transposed": view_of(zeros(3, 4), Tensor.t),
    "every other": view_of(zeros(8, 6), lambda t: t[::2, ::2]),
    "expanded": view_of(zeros(4, 1), lambda t: t.expand(4, 3)),
    "overlapping": view_of(zeros(6), lambda t: t.unfold(0, 3, 1)),
    "conjugated": view_of(zeros(4, 3, dtype=torch.complex64), Tensor.conj),
    "negated": view_of(zeros(4, 3, dtype=torch.complex64), lambda t: t.conj().imag),
    "sparse": view_of(zeros(4, 3), Tensor.to_sparse),
    "sparse rows": view_of(zeros(4, 3), Tensor.to_sparse_csr),
    "mkldnn": view_of(zeros(4, 3), Tensor.to_mkldnn),
    "quantized": lambda: torch.quantize_per_tensor(torch.ones(4, 3), 0.1, 0, torch.qint8),
    "nested": lambda: torch.nested.nested_tensor([torch.ones(2, 3), torch.ones(3, 3)]),
    "of inference mode": lambda: torch.inference_mode()(torch.zeros)(4, 3),
    "list": lambda: [1.0],
    "None": lambda: None,
    "array": lambda: np.zeros((4, 3), np.float32),
}
# The module's docstring lists them; test_differences.py shows what happens instead.
BETTER = {("orthogonal_", "torch.bfloat16"), ("orthogonal_", "torch.float16")}


@each_function
@pytest.mark.parametrize("kind", TENSORS)
def test_any_tensor_is_answered_as_by_torch(name, kind):
    if (name, kind) in BETTER:
        assert answer(torchs, name, TENSORS[kind], *BARE[name])[0][0] is NotImplementedError
    else:
        same_answer(name, TENSORS[kind], *BARE[name])


SQUARE, DOUBLE, HALF = zeros(3, 4), zeros(3, 4, dtype=torch.float64), zeros(3, 4, dtype=torch.half)
COMPLEX, NOTHING, META = zeros(3, 4, dtype=torch.complex64), zeros(0, 3), zeros(3, 4, device="meta")
CALLS: list[tuple[str, Callable[[], Any], dict[str, Any]]] = [
    *(
        ("normal_", make, {"std": std})
        for make in (SQUARE, DOUBLE, COMPLEX, NOTHING, META)
        for std in (0, 0.0, 2, -1.0, NAN, INF, 1e300, 10**400, True, "a", None, 1j, [1.0])
    ),
    *(
        ("normal_", SQUARE, {"mean": mean, "std": std})
        for mean, std in [
            (NAN, 1.0),
            (INF, 1.0),
            ("a", 1.0),
            (np.float32(0.5), np.float64(0.5)),
            (np.int64(1), 1.0),
            (torch.tensor(0.5), torch.tensor(2)),
            (torch.ones(1), 1.0),
            (torch.ones(()).requires_grad_(), 1.0),
        ]
    ),
    *(
        ("uniform_", make, {"a": a, "b": b})
        for make in (SQUARE, DOUBLE, HALF, COMPLEX, NOTHING)
        for a, b in [
            (1, 0),
            (0, 0),
            (0.3, 0.3),
            (-INF, 0),
            (0, INF),
            (NAN, 1),
            (-3e38, 3e38),
            (0, 1e300),
            (-6e4, 6e4),
            (0, 1e5),
            ("a", 1),
            (None, 1),
            (np.float32(0), torch.tensor(1)),
        ]
    ),
    *(
        ("trunc_normal_", make, options)
        for make in (SQUARE, HALF, META)
        for options in [
            {"std": 0.0},
            {"std": -1.0},
            {"a": 2.0, "b": -2.0},
            {"a": 1.0, "b": 1.0},
            {"a": 1, "b": 3},
            {"a": -INF, "b": INF},
            {"a": -INF, "b": 1.0},
            {"mean": 5.0},
            {"mean": -5.0},
            {"mean": 4.0},
            {"mean": NAN},
            {"std": NAN},
            {"a": NAN},
            {"a": 13.0, "b": 14.0},
            {"mean": "a"},
            {"std": None},
            {"mean": torch.tensor(0.5), "std": np.float32(2)},
        ]
    ),
    *(("constant_", SQUARE, {"val": v}) for v in ("a", None, 1j, NAN, torch.tensor(2.0), 3)),
    *(
        (name, SQUARE, {"gain": gain})
        for name in ("xavier_uniform_", "xavier_normal_", "orthogonal_")
        for gain in (0.0, 2, -2.0, NAN, INF, 1e300, "a", None, np.float32(2))
    ),
    *(
        (name, make, options)
        for name in ("kaiming_uniform_", "kaiming_normal_")
        for make in (SQUARE, NOTHING, META, zeros(4))
        for options in [
            {"mode": "FAN_OUT"},
            {"mode": "Fan_In"},
            {"mode": "fan_avg"},
            {"mode": None},
            {"mode": 3},
            {"nonlinearity": "rleu"},
            {"nonlinearity": "RELU"},
            {"nonlinearity": None},
            {"nonlinearity": []},
            {"a": True},
            {"a": "x"},
            {"a": None},
            {"a": NAN},
            {"a": "x", "nonlinearity": "relu"},
            {"mode": "fan_avg", "nonlinearity": "rleu"},
        ]
    ),
    *(("dirac_", zeros(4, 2, 3), {"groups": g}) for g in (1, 2, 4, 3, 5, 0, -1, 1.5, "a")),
    *(
        ("sparse_", SQUARE, {"sparsity": s})
        for s in (0, 1, 1.0, 0.4, 1.5, -0.1, -5, NAN, INF, "a", None)
    ),
    *(("sparse_", SQUARE, {"sparsity": 0.5, "std": std}) for std in (-1.0, 0.0, NAN, "a")),
    *(
        (
            name,
            SQUARE,
            {**dict.fromkeys(["sparsity"] if name == "sparse_" else [], 0.5), "generator": g},
        )
        for name in BARE
        if "generator" in inspect.signature(getattr(torchs, name)).parameters
        for g in (3, "cpu", torch.Generator())
    ),
]


def shown(value: Any) -> str | None:
    # Without addresses: pytest-xdist needs the same names in every process.
    return re.sub(" at 0x[0-9a-f]+", "", str(value)) if isinstance(value, dict) else None


@pytest.mark.parametrize(("name", "make", "options"), CALLS, ids=shown)
def test_any_arguments_are_answered_as_by_torch(name, make, options):
    same_answer(name, make, **options)


@pytest.mark.parametrize(
    ("name", "args"),
    [("uniform_", (0, 1, None, 3)), ("constant_", ()), ("sparse_", ()), ("eye_", (3,))],
)
def test_wrong_counts_of_arguments(name, args):
    with pytest.raises(TypeError):
        getattr(ours, name)(torch.zeros(3, 4), *args)


class TestWarnings:
    @pytest.mark.parametrize("name", OLD)
    def test_old_names_warn_and_do_what_the_new_ones_do(self, name):
        make = zeros(4, 3, 2) if name == "dirac" else SQUARE
        args = BARE[f"{name}_"]
        said, warned = same_answer(name, make, *args)
        assert said[0] == "the tensor itself"
        assert [category for category, _ in warned] == [FutureWarning]
        torch.manual_seed(5)
        with pytest.warns(FutureWarning, match=f"`nn.init.{name}` is now deprecated in favor of"):
            got = getattr(ours, name)(make(), *args)
        torch.manual_seed(5)
        assert torch.equal(got, getattr(ours, f"{name}_")(make(), *args))

    def test_old_names_hand_on_keywords(self):
        with pytest.warns(FutureWarning):
            got = ours.constant(tensor=torch.zeros(2), val=3.0)
        assert got.tolist() == [3.0, 3.0]

    @pytest.mark.parametrize(
        ("call", "category"),
        [
            (lambda: ours.normal(torch.zeros(3)), FutureWarning),
            (lambda: ours.trunc_normal_(torch.zeros(3), mean=9.0), UserWarning),
            (lambda: ours.kaiming_normal_(torch.zeros(0, 3)), UserWarning),
            (lambda: ours.kaiming_uniform_(torch.zeros(0, 3)), UserWarning),
        ],
    )
    def test_warnings_point_at_the_caller(self, call, category):
        with pytest.warns(category) as caught:
            call()
        assert [w.filename for w in caught] == [__file__]


@pytest.mark.parametrize(
    ("name", "param"),
    [
        *((name, None) for name in ("linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu")),
        *((f"conv{kind}", 0.3) for kind in ("1d", "2d", "3d")),
        *((f"conv_transpose{kind}", None) for kind in ("1d", "2d", "3d")),
        *(("leaky_relu", slope) for slope in (0, 0.01, 0.2, -0.5, 10, 1e200, INF, NAN)),
        *(("leaky_relu", slope) for slope in (np.float64(0.2), np.float32(0.2), True, "a", [1])),
        *((name, None) for name in ("rleu", "RELU", "", "leaky_relu ", None, 3)),
    ],
)
def test_gains_that_torch_gives_and_refuses(name, param):
    def said(module: Any) -> Any:
        try:
            return repr(float(module.calculate_gain(name, param)))
        except Exception as error:  # noqa: BLE001  (whatever it is, it is compared)
            return type(error), str(error)

    assert said(ours) == said(torchs)


@pytest.mark.parametrize(
    "shape", [(4, 3), (4, 3, 2), (8, 1, 3, 3), (2, 3, 4, 5, 6), (0, 3), (5, 0)]
)
def test_fans(shape):
    weight = torch.zeros(shape)
    fans = ours._calculate_fan_in_and_fan_out(weight)
    assert fans == torchs._calculate_fan_in_and_fan_out(weight)
    assert [type(fan) for fan in fans] == [int, int]
    for mode in ("fan_in", "FAN_OUT"):
        expected = torchs._calculate_correct_fan(weight, mode)
        assert ours._calculate_correct_fan(weight, mode) == expected
    for module in (ours, torchs):
        with pytest.raises(ValueError, match="fewer than 2 dimensions"):
            module._calculate_fan_in_and_fan_out(torch.zeros(3))
        with pytest.raises(ValueError, match="Mode fan_avg not supported, please use one of"):
            module._calculate_correct_fan(weight, "fan_avg")


EXACT = [("eye_", shape) for shape in [(3, 5), (5, 3), (1, 1), (0, 3)]]
EXACT += [("dirac_", shape) for shape in [(4, 2, 3), (6, 3, 2, 4), (4, 9, 1, 2, 3), (4, 0, 3)]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.complex64])
@pytest.mark.parametrize(("name", "shape"), EXACT)
def test_exact_values_are_torchs(name, shape, dtype):
    for options in [{"groups": g} for g in (1, 2)] if name == "dirac_" else [{}]:
        got, expected = (
            getattr(module, name)(torch.full(shape, 7, dtype=dtype), **options)
            for module in (ours, torchs)
        )
        assert torch.equal(got, expected)


class TestPrivateNames:
    def test_those_that_write(self):
        weight = torch.nn.Parameter(torch.zeros(300))
        assert ours._no_grad_fill_(weight, 3.0) is weight
        assert weight.eq(3).all()
        assert ours._no_grad_zero_(weight) is weight
        assert weight.eq(0).all()

    @pytest.mark.parametrize(
        ("private", "public", "args"),
        [
            (ours._no_grad_uniform_, ours.uniform_, (2.0, 3.0)),
            (ours._no_grad_normal_, ours.normal_, (2.0, 3.0)),
            (ours._no_grad_trunc_normal_, ours.trunc_normal_, (0.0, 1.0, -1.0, 2.0)),
        ],
    )
    def test_those_that_draw(self, private, public, args):
        a, b = (torch.nn.Parameter(torch.zeros(300)) for _ in range(2))
        torch.manual_seed(3)
        assert private(a, *args) is a
        assert torch.equal(a, public(b, *args, generator=torch.Generator().manual_seed(3)))
