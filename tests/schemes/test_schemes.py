"""Every scheme passes the same battery, whatever it draws. What single kinds promise is beside."""

from __future__ import annotations

import contextlib
import copy
import math
import pickle
import random
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import Parameter

from fanin import schemes
from fanin.errors import FanError, InputError, UnknownNameError
from fanin.fans import Layout, linear, of_plain_weight, packed
from fanin.noise import Stream
from fanin.schemes import (
    ALIASES,
    SCHEMES,
    IndependentScheme,
    Matrix,
    MatrixScheme,
    Scheme,
    blocks,
    by_name,
    chrono_bias,
    constant,
    delta_orthogonal,
    dirac,
    he_normal,
    he_uniform,
    icnr,
    identity,
    lecun_normal,
    looks_linear,
    masked,
    mimetic,
    normal,
    ones,
    orthogonal,
    per_unit,
    scaled,
    siren,
    sparse,
    spectral,
    torch_default,
    truncated_normal,
    uniform,
    variance_scaling,
    xavier_normal,
    xavier_uniform,
    zero_hadamard,
    zeros,
)
from tests.claims import assert_close, assert_errors_below, assert_mean_of_replicas
from tests.schemes.subjects import (
    CASES,
    FLOATS,
    INF,
    SUBJECTS,
    Subject,
    assert_equal,
    drawn,
    each_class,
    each_float,
    each_subject,
    of_layout,
    strided,
)

SCHEMES_OF_ALL_KINDS = list(
    dict.fromkeys([*(c.scheme for c in CASES), *(s.scheme for s in SUBJECTS)])
)
# A mask is too long to be spelt out, and so are many values.
SPELT_OUT = [
    scheme
    for scheme in SCHEMES_OF_ALL_KINDS
    if not isinstance(scheme, masked)
    and scheme != schemes.given(torch.arange(96.0).reshape(12, 8) / 7 - 9)
]
# Of these a shape of its own is asked before fans are.
OF_A_SHAPE = (masked, per_unit, schemes.given)
OF_SEVERAL_UNITS = (looks_linear, icnr, mimetic, blocks, chrono_bias)
WITH_LAYOUT = [
    s for s in SUBJECTS if s.scheme.needs_layout and not isinstance(s.scheme, OF_A_SHAPE)
]
# Those that make a weight as a whole; independent elements suit a bias of the layout too.
WHOLE = [s for s in WITH_LAYOUT if isinstance(s.scheme, (MatrixScheme, looks_linear, icnr))]


def test_the_tables_hold_every_scheme_of_the_catalogue():
    independent = {s for s in SCHEMES.values() if issubclass(s, IndependentScheme)}
    assert {type(case.scheme) for case in CASES} == independent
    assert {type(subject.scheme) for subject in SUBJECTS} == set(SCHEMES.values())


class TestFace:
    @pytest.mark.parametrize("scheme", SPELT_OUT, ids=repr)
    def test_repr_evaluates_back(self, scheme):
        assert eval(repr(scheme), vars(schemes)) == scheme

    @pytest.mark.parametrize(
        ("scheme", "text"),
        [
            (normal(mean=float("0"), std=float("1")), "normal()"),
            (normal(std=0.02), "normal(std=0.02)"),
            (constant(0.25), "constant(value=0.25)"),
            (uniform(-0.1, 0.3), "uniform(a=-0.1, b=0.3)"),
            (he_normal(0.2, "fan_out"), "he_normal(negative_slope=0.2, mode='fan_out')"),
            (truncated_normal(low=-INF), "truncated_normal(low=float('-inf'))"),
            (sparse(fraction=0.5, std=0.1), "sparse(fraction=0.5, std=0.1)"),
            (scaled(he_normal(), 0.5), "scaled(base=he_normal(), factor=0.5)"),
            (masked(ones(), torch.eye(2)), "masked(ones(), <2 of 4 kept>)"),
            (mimetic("key", "b"), "mimetic(part='key', pair='b')"),
            (blocks((ones(), zeros()), sizes=[1, 3]), "blocks(ones(), zeros(), sizes=(1, 3))"),
            (per_unit(ones(), torch.tensor([1, 2])), "per_unit(ones(), (1.0, 2.0))"),
            (per_unit(ones(), [2.0] * 17), "per_unit(ones(), <17 factors, RMS 2>)"),
            (schemes.given([[1, 2]]), "given([[1.0, 2.0]])"),
            (schemes.given(torch.ones(17)), "given(<shape (17,), RMS 1>)"),
            (chrono_bias(784), "chrono_bias(steps=784.0)"),
        ],
        ids=repr,
    )
    def test_repr_names_what_is_not_the_default(self, scheme, text):
        assert repr(scheme) == text

    @pytest.mark.parametrize("scheme", SCHEMES_OF_ALL_KINDS, ids=repr)
    def test_a_scheme_is_a_value(self, scheme):
        same = attrs.evolve(scheme)
        assert scheme is not same
        assert scheme == same
        assert hash(scheme) == hash(same)
        assert copy.deepcopy(scheme) == scheme
        assert pickle.loads(pickle.dumps(scheme)) == scheme
        assert [other for other in SCHEMES_OF_ALL_KINDS if other == scheme] == [scheme]

    @each_class
    def test_a_scheme_is_frozen(self, subject):
        names = [field.name for field in attrs.fields(type(subject.scheme))]
        for name in (*names, "something_new"):
            with pytest.raises(AttributeError):
                setattr(subject.scheme, name, 3.0)

    @each_class
    def test_a_scheme_says_where_it_is_from_and_what_for(self, subject):
        scheme = subject.scheme
        assert isinstance(scheme, Scheme)
        assert any(character.isdigit() for character in scheme.citation), "no year, no section"
        assert scheme.formula.strip()
        assert scheme.use.strip()
        assert "\n" not in scheme.formula + scheme.use

    @each_class
    def test_a_scheme_bears_its_name(self, subject):
        scheme = subject.scheme
        assert SCHEMES[scheme.name] is type(scheme)
        assert getattr(schemes, scheme.name) is type(scheme)
        assert type(scheme).__name__ == scheme.name
        assert scheme.name in schemes.__all__

    def test_the_catalogue_cannot_be_changed(self):
        with pytest.raises(TypeError):
            SCHEMES["mine"] = zeros
        with pytest.raises(TypeError):
            ALIASES["mine"] = "zeros"

    @pytest.mark.parametrize(("alias", "name"), ALIASES.items())
    def test_aliases(self, alias, name):
        assert getattr(schemes, alias) is SCHEMES[name]
        assert by_name(alias) == by_name(name)
        assert alias not in SCHEMES

    def test_the_package_exports_every_scheme_and_alias(self):
        assert {*SCHEMES, *ALIASES} <= set(schemes.__all__) <= set(vars(schemes))

    NUMBER = st.floats(-1e18, 1e18)
    POSITIVE = st.floats(0, 1e18)

    @settings(max_examples=200, deadline=None)
    @given(
        st.one_of(
            st.builds(constant, NUMBER),
            st.builds(normal, NUMBER, POSITIVE),
            st.builds(lambda a, b: uniform(min(a, b), max(a, b)), NUMBER, NUMBER),
            st.builds(
                truncated_normal,
                mean=NUMBER,
                std=POSITIVE,
                low=st.floats(-12, 0) | st.just(-INF),
                high=st.floats(1, 12) | st.just(INF),
                corrected=st.booleans(),
            ),
            st.builds(
                variance_scaling,
                POSITIVE,
                st.sampled_from(["fan_in", "fan_out", "fan_avg", "fan_geo_avg"]),
                st.sampled_from(["normal", "truncated_normal", "uniform"]),
            ),
            st.builds(xavier_uniform, POSITIVE),
            st.builds(he_normal, NUMBER, st.sampled_from(["fan_in", "fan_out"])),
            st.builds(orthogonal, POSITIVE),
            st.builds(identity, NUMBER),
            st.builds(sparse, k=st.integers(0, 10**9), std=POSITIVE),
            st.builds(sparse, fraction=st.floats(0, 1), std=POSITIVE),
            st.builds(siren, st.floats(1e-9, 1e18), st.booleans()),
            st.builds(scaled, st.builds(icnr, st.builds(spectral, POSITIVE)), POSITIVE),
        )
    )
    def test_repr_evaluates_back_for_any_arguments(self, scheme):
        assert eval(repr(scheme), vars(schemes)) == scheme


@pytest.fixture
def torch_threads() -> Iterator[Callable[[int], None]]:
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


class TestBits:
    @each_float
    @each_subject
    def test_a_type_is_the_wider_draw_rounded_once(self, subject, dtype):
        widest = torch.float64 in subject.double and dtype in subject.double
        if dtype is torch.float64 and widest:
            errors = subject.drawn(dtype, name="w") - subject.drawn(name="w")
            assert_errors_below(errors.numpy(), 1e-6, f"float32 of {subject} against float64")
            return
        wide = subject.drawn(torch.float64 if widest else torch.float32, name="w")
        assert_equal(subject.drawn(dtype, name="w"), wide.to(dtype), str(subject))

    @each_float
    @each_subject
    def test_strides_change_no_element(self, subject, dtype):
        expected = subject.drawn(dtype, name="w")
        for what, tensor in strided(subject.shape, dtype):
            assert not tensor.is_contiguous(), what
            strides = tensor.stride()
            assert subject.scheme.init_(tensor, name="w") is tensor
            assert tensor.stride() == strides
            assert_equal(tensor, expected, what)

    @each_float
    @each_subject
    def test_neighbours_in_memory_stay(self, subject, dtype):
        whole = torch.full([size + 2 for size in subject.shape], 7.0, dtype=dtype)
        inside = (slice(1, -1),) * len(subject.shape)
        touched = torch.zeros(whole.shape, dtype=torch.bool)
        touched[inside] = True
        subject.scheme.init_(whole[inside])
        assert torch.all(whole[~touched] == 7)
        assert not torch.any(whole[touched] == 7)

    @each_float
    @each_class
    def test_nothing_to_draw(self, subject, dtype):
        for shape in ((0,), (0, 5), (5, 0), (3, 0, 3, 3)):
            tensor = torch.empty(shape, dtype=dtype)
            assert subject.scheme.init_(tensor) is tensor
            assert tensor.shape == shape

    @each_subject
    def test_drawing_twice_gives_the_same(self, subject):
        first = subject.drawn(name="a", seed=1)
        assert_equal(subject.drawn(name="a", seed=1), first)
        assert_equal(subject.scheme.init_(first.clone(), name="a", seed=1), first)
        assert_equal(subject.drawn(), subject.drawn(seed=0, name=""))

    @each_subject
    def test_seeds_matter_to_what_is_random_and_to_nothing_else(self, subject):
        laid_out = isinstance(
            subject.scheme, (zeros, ones, constant, identity, dirac, zero_hadamard, schemes.given)
        )
        assert subject.drawn(seed=1).equal(subject.drawn(seed=2)) is laid_out

    @each_subject
    def test_no_random_state_is_touched(self, subject):
        def states() -> tuple[Any, ...]:
            _, keys, *rest = np.random.get_state()  # noqa: NPY002  the global one is meant
            return torch.get_rng_state().tolist(), keys.tolist(), rest, random.getstate()

        before = states()
        subject.drawn()
        subject.drawn(torch.bfloat16, name="w")
        subject.drawn(torch.float64, name="w")
        assert states() == before

    @each_subject
    def test_no_random_state_is_heard(self, subject):
        torch.manual_seed(1)
        np.random.seed(1)  # noqa: NPY002
        first = subject.drawn()
        torch.manual_seed(2)
        np.random.seed(2)  # noqa: NPY002
        assert_equal(subject.drawn(), first)

    @each_subject
    def test_the_threads_of_torch_change_no_bit(self, subject, torch_threads):
        torch_threads(1)
        expected = subject.drawn(name="w")
        torch_threads(3)
        assert_equal(subject.drawn(name="w"), expected)


class TestStd:
    """One chance of a false alarm in a million for the drawn root mean squares together."""

    RATE = 1e-6 / len(SUBJECTS)

    # The formula of mimetic is that of wide weights.
    @pytest.mark.parametrize(
        "subject", [s for s in SUBJECTS if not isinstance(s.scheme, mimetic)], ids=str
    )
    def test_std_is_that_of_what_is_drawn(self, subject):
        """About the mean of a law; of a matrix that is laid out, about 0."""
        layout = of_plain_weight(subject.shape)
        independent = isinstance(subject.scheme, IndependentScheme)
        mean = subject.scheme.law(layout).mean if independent else 0.0
        draws = [subject.drawn(seed=seed).double().numpy() - mean for seed in range(200)]
        squares = np.array([np.square(draw).mean() for draw in draws])
        expected, what = subject.scheme.std(layout) ** 2, f"mean square of {subject}"
        if np.ptp(squares) <= 1e-6 * expected:
            assert_close(float(squares[0]), expected, 1e-6, what)
        else:
            assert_mean_of_replicas(squares, expected, self.RATE, 0.12, what)

    @each_subject
    def test_a_weight_without_elements_has_a_std_unless_it_is_refused(self, subject):
        for shape in ((0, 0), (0, 8), (0, 0, 3), (4, 4, 0)):
            with contextlib.suppress(FanError):
                assert 0.0 <= subject.scheme.std(of_plain_weight(shape)) < INF


PARAMETERS: dict[str, Callable[[Subject], Parameter]] = {
    "float32": lambda subject: Parameter(subject.sevens()),
    "transposed": lambda subject: Parameter(dict(strided(subject.shape, FLOATS[0]))["transposed"]),
    "bfloat16": lambda subject: Parameter(subject.sevens(torch.bfloat16)),
    "float64": lambda subject: Parameter(subject.sevens(torch.float64)),
}


MODES = {
    "grad": torch.enable_grad,
    "no grad": torch.no_grad,
    "inference": torch.inference_mode,
}


class TestAutograd:
    @pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
    @pytest.mark.parametrize("kind", PARAMETERS)
    @each_subject
    def test_a_parameter_stays_a_leaf_without_gradient(self, subject, kind, mode):
        parameter = PARAMETERS[kind](subject)
        with mode():
            assert subject.scheme.init_(parameter, name="w") is parameter
        assert isinstance(parameter, Parameter)
        assert parameter.requires_grad
        assert parameter.is_leaf
        assert parameter.grad is None
        assert parameter.grad_fn is None
        assert_equal(parameter.detach(), subject.drawn(parameter.dtype, name="w"))
        parameter.sum().backward()
        assert torch.all(parameter.grad == 1)

    @each_subject
    def test_a_gradient_that_is_there_stays(self, subject):
        parameter = Parameter(subject.sevens())
        gradient = parameter.grad = torch.full(subject.shape, 3.0)
        subject.scheme.init_(parameter)
        assert parameter.grad is gradient
        assert torch.all(gradient == 3)

    @each_subject
    def test_a_block_of_a_parameter_is_drawn_in_place(self, subject):
        rows, *rest = subject.shape
        parameter = Parameter(torch.full((rows + 5, *rest), 7.0))
        subject.scheme.init_(parameter[2 : rows + 2], name="q")
        assert_equal(parameter.detach()[2 : rows + 2], subject.drawn(name="q"))
        assert torch.all(parameter[:2] == 7)
        assert torch.all(parameter[rows + 2 :] == 7)

    @each_subject
    def test_a_tensor_of_inference_mode(self, subject):
        with torch.inference_mode():
            tensor = subject.sevens(torch.bfloat16)
            subject.scheme.init_(tensor, name="w")
        assert_equal(tensor.clone(), subject.drawn(torch.bfloat16, name="w"))

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    @each_subject
    def test_a_value_saved_for_backward_is_known_to_be_stale(self, subject, dtype):
        weight = Parameter(subject.sevens(dtype))
        product = (weight * weight).sum()
        subject.scheme.init_(weight)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            product.backward()

    def test_the_mode_of_autograd_is_as_before(self):
        for enabled in (True, False):
            with torch.set_grad_enabled(enabled):
                drawn(normal(), 3)
                assert torch.is_grad_enabled() is enabled


# A text is one number at most: these need more, or another.
NEED_ARGUMENTS = {
    "constant": "scheme 'constant' needs its value, e.g. 'constant:0.1'",
    "mimetic": "scheme 'mimetic' needs part and pair, which a text cannot give: "
    "fanin.schemes.mimetic(part=..., pair=...)",
    "icnr": "scheme 'icnr' needs base, which a text cannot give: fanin.schemes.icnr(base=...)",
    "scaled": "scheme 'scaled' needs base and factor, which a text cannot give: "
    "fanin.schemes.scaled(base=..., factor=...)",
    "masked": "scheme 'masked' needs base and mask, which a text cannot give: "
    "fanin.schemes.masked(base=..., mask=...)",
    "blocks": "blocks needs a scheme for each block, e.g. blocks(ones(), zeros())",
    "per_unit": "scheme 'per_unit' needs base and factors, which a text cannot give: "
    "fanin.schemes.per_unit(base=..., factors=...)",
    "given": "scheme 'given' needs values, which a text cannot give: "
    "fanin.schemes.given(values=...)",
    "chrono_bias": "scheme 'chrono_bias' needs its steps, e.g. 'chrono_bias:100'",
}


class TestTexts:
    @pytest.mark.parametrize(("name", "message"), NEED_ARGUMENTS.items(), ids=NEED_ARGUMENTS)
    def test_what_needs_more_than_its_name_says_what(self, name, message):
        with pytest.raises(InputError) as error:
            by_name(name)
        assert str(error.value) == message

    @pytest.mark.parametrize(
        ("text", "scheme"),
        [
            ("zeros", zeros()),
            ("ones", ones()),
            ("constant:0.1", constant(0.1)),
            ("constant:-3", constant(-3.0)),
            ("normal", normal()),
            ("normal:0.01", normal(std=0.01)),
            ("normal:1e-2", normal(std=0.01)),
            ("uniform", uniform(0.0, 1.0)),
            ("uniform:0.1", uniform(-0.1, 0.1)),
            ("truncated_normal:0.02", truncated_normal(std=0.02)),
            ("variance_scaling:2", variance_scaling(2.0)),
            ("chrono_bias:784", chrono_bias(784)),
            ("xavier_normal", xavier_normal()),
            ("xavier_uniform:1.5", xavier_uniform(gain=1.5)),
            ("he_normal:0.2", he_normal(negative_slope=0.2)),
            ("kaiming_uniform", he_uniform()),
            ("kaiming_normal:0.2", he_normal(negative_slope=0.2)),
            ("glorot_normal:2", xavier_normal(gain=2.0)),
            ("lecun_normal", lecun_normal()),
            ("  He_Normal : 0.2 ", he_normal(negative_slope=0.2)),
            ("orthogonal:1.5", orthogonal(gain=1.5)),
            ("delta_orthogonal:2", delta_orthogonal(gain=2.0)),
            ("identity:-1", identity(gain=-1.0)),
            ("sparse:10", sparse(k=10)),
            ("siren:5", siren(w0=5.0)),
            ("spectral:2", spectral(gain=2.0)),
            ("mirrored", looks_linear("hidden")),
        ],
    )
    def test_texts(self, text, scheme):
        assert by_name(text) == scheme

    @pytest.mark.parametrize("name", [name for name in SCHEMES if name not in NEED_ARGUMENTS])
    def test_a_name_alone_is_the_scheme_without_arguments(self, name):
        assert by_name(name) == SCHEMES[name]()

    @pytest.mark.parametrize(
        ("text", "nearest"),
        [
            ("he_norml", "he_normal"),
            ("He-Normal", "he_normal"),
            ("kaimin_uniform", "kaiming_uniform"),
            ("xavier", "xavier_normal"),
            ("glorot_norm:2", "glorot_normal"),
            ("zero", "zeros"),
            ("trunc_normal", "truncated_normal"),
        ],
    )
    def test_misspelt_names_are_offered_the_nearest(self, text, nearest):
        with pytest.raises(UnknownNameError) as error:
            by_name(text)
        assert nearest in error.value.near
        name = text.partition(":")[0]
        assert error.value.name == name
        assert str(error.value).startswith(f"no scheme is called '{name}'. Did you mean ")
        assert nearest in str(error.value)

    @pytest.mark.parametrize("text", ["", ":0.1", "qqq"])
    def test_a_name_like_no_other_is_told_all(self, text):
        with pytest.raises(UnknownNameError, match="Known: blocks, ") as error:
            by_name(text)
        assert error.value.near == ()
        assert all(name in str(error.value) for name in [*SCHEMES, *ALIASES])

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("normal:", "the std of scheme 'normal' must be a number, got ''"),
            ("normal:big", "the std of scheme 'normal' must be a number, got 'big'"),
            ("normal:0.1:2", "the std of scheme 'normal' must be a number, got '0.1:2'"),
            ("he_uniform:0,2", "the negative_slope of scheme 'he_uniform' must be a number"),
            ("uniform:x", "the bound of scheme 'uniform' must be a number, got 'x'"),
            ("ones:3", "scheme 'ones' takes no argument, got 'ones:3'"),
            ("zeros:", "scheme 'zeros' takes no argument, got 'zeros:'"),
            ("lecun_normal:2", "scheme 'lecun_normal' takes no argument, got 'lecun_normal:2'"),
            ("normal:-1", "std must not be negative, got -1.0"),
            ("normal:nan", "std must be a finite number within the range of float32, got nan"),
            ("constant:inf", "value must be a finite number within the range of float32, got inf"),
            ("uniform:-0.1", "-0.1"),
            ("xavier_normal:-1", "gain must lie between 0 and 1e+18, got -1.0"),
            ("he_normal:inf", "negative_slope must lie between -1e+18 and 1e+18, got inf"),
            ("variance_scaling:-2", "scale must lie between 0 and 1e+18, got -2.0"),
            ("truncated_normal:-2", "must not be negative, got -2.0"),
            ("orthogonal:x", "the gain of scheme 'orthogonal' must be a number, got 'x'"),
            ("delta_orthogonal:nan", "gain must lie between 0 and 1e+18, got nan"),
            ("identity:-inf", "gain must lie between -1e+18 and 1e+18, got -inf"),
            ("spectral:-1", "gain must lie between 0 and 1e+18, got -1.0"),
            ("sparse:2.5", "k must be a number of weights, 0 or more, got 2.5"),
            ("siren:0", "w0 must be positive, got 0.0"),
            ("dirac:2", "scheme 'dirac' takes no argument, got 'dirac:2'"),
            ("zero_hadamard:1", "scheme 'zero_hadamard' takes no argument"),
            ("torch_default:layer", "scheme 'torch_default' takes no argument"),
            ("mirrored:2", "scheme 'looks_linear' takes no argument, got 'mirrored:2'"),
        ],
    )
    def test_arguments_that_do_not_fit(self, text, message):
        with pytest.raises(InputError) as error:
            by_name(text)
        assert message in str(error.value)
        assert not isinstance(error.value, UnknownNameError)

    @pytest.mark.parametrize(
        ("make", "text"),
        [
            (
                lambda: constant(math.nan),
                "value must be a finite number within the range of float32, got nan",
            ),
            (lambda: normal(std=-1.0), "std must not be negative"),
            (
                lambda: normal(mean=INF),
                "mean must be a finite number within the range of float32, got inf",
            ),
            (lambda: uniform(1.0, 0.0), r"\(1\.0\) is above .*\(0\.0\)"),
            (lambda: truncated_normal(low=2.0, high=-2.0), r"low \(2\.0\) must be below high"),
            (lambda: truncated_normal(low=13.0, high=14.0), "at most 12.5 can be sampled"),
            (lambda: variance_scaling(-1.0), "scale must lie between 0 and"),
            (lambda: variance_scaling(mode="fan_on"), "no mode is called 'fan_on'.*fan_in"),
            (lambda: variance_scaling(distribution="gauss"), "no distribution is called 'gauss'"),
            (lambda: xavier_uniform(gain=math.nan), "gain must lie between 0 and"),
            (lambda: he_normal(negative_slope=math.nan), "negative_slope must lie between"),
            (lambda: he_normal(mode="fan in"), "no mode is called 'fan in'.*fan_in"),
            (lambda: orthogonal(gain=-1), "gain must lie between 0 and 1e.18, got -1.0"),
            (lambda: identity(gain="one"), "gain must be a number, got 'one'"),
            (lambda: dirac(0), "groups must be a positive integer, got 0"),
            (lambda: dirac(True), "groups must be a positive integer, got True"),
            (lambda: sparse(k=3, fraction=0.5), "takes k=3 or fraction=0.5, not both"),
            (lambda: sparse(k=-1), "k must be a number of weights, 0 or more, got -1"),
            (lambda: sparse(fraction=1.5), "fraction must lie between 0 and 1, got 1.5"),
            (lambda: sparse(fraction=math.nan), "fraction must lie between 0 and 1, got nan"),
            (lambda: sparse(std=-1.0), "std must lie between 0 and 1e.18, got -1.0"),
            (lambda: siren(w0=math.nan), "w0 must be positive, got nan"),
            (lambda: siren(w0=INF), "w0 must lie between 0 and 1e.18, got inf"),
            (lambda: siren(first=1), "first must be True or False, got 1"),
            (lambda: torch_default("bias"), "no kind of weight is called 'bias'.*attention, layer"),
            (lambda: mimetic("q", "b"), "no part is called 'q'.*key, output, query, value"),
            (lambda: mimetic("query", 3), "pair must be a text that names the pair, got 3"),
            (lambda: mimetic("query", "b", 0), "heads must be a positive integer, got 0"),
            (lambda: mimetic("value", "b", 2), "heads are of query and key; the value weight"),
            (lambda: mimetic("query", "b", alpha=-1.0), "alpha must lie between 0 and"),
            (lambda: mimetic("query", "b", beta="b"), "beta must be a number, got 'b'"),
            (lambda: looks_linear("middle"), "no place is called 'middle'.*hidden"),
            (lambda: looks_linear("first", 3), "base must be a scheme, e.g. he_normal.., got 3"),
            (lambda: icnr(he_normal(), 0), "r must be a positive integer, got 0"),
            (lambda: icnr("he_normal"), "base must be a scheme, e.g. he_normal.., got 'he_normal'"),
            (lambda: scaled(he_normal, 1.0), "base must be a scheme, e.g. he_normal.., got <class"),
            (lambda: scaled(he_normal(), -1), "factor must lie between 0 and 1e.18, got -1.0"),
            (lambda: scaled(he_normal(), "half"), "factor must be a number, got 'half'"),
            (lambda: masked(he_normal(), [1]), "mask must be a tensor, got list"),
            (lambda: masked(he_normal(), np.ones(3)), "mask must be a tensor, got ndarray"),
            (lambda: masked(None, torch.ones(2)), "base must be a scheme, e.g. .* got None"),
        ],
    )
    def test_schemes_that_do_not_exist(self, make, text):
        with pytest.raises(InputError, match=text):
            make()


def sparse_tensor() -> Tensor:
    return torch.full((3, 4), 7.0).to_sparse()


def dense(tensor: Tensor) -> Tensor:
    return tensor.to_dense() if tensor.is_sparse else tensor


class TestRefusedTensors:
    @pytest.mark.parametrize(
        ("make", "text"),
        [
            (lambda: torch.full((3, 4), 7), "has type torch.int64; a scheme can draw float32, "),
            (lambda: torch.full((3, 4), 7, dtype=torch.uint8), "has type torch.uint8"),
            (lambda: torch.full((3, 4), True), "has type torch.bool"),
            (lambda: torch.full((3, 4), 7 + 0j), "has type torch.complex64"),
            (sparse_tensor, r"is sparse \(torch.sparse_coo\); a scheme draws dense tensors"),
            (
                lambda: torch.full((3, 1), 7.0).expand(3, 4),
                r"is a view whose elements share memory .* Give it .*: tensor\.contiguous\(\)$",
            ),
            (
                lambda: torch.full((), 7.0, dtype=torch.bfloat16).expand(3, 4),
                "is a view whose elements share memory",
            ),
            (
                lambda: torch.zeros(6).unfold(0, 3, 1),
                "is a view whose elements share memory",
            ),
            (
                lambda: torch.ones(1, dtype=torch.complex64).conj().imag,
                "is a lazily negated view",
            ),
        ],
    )
    @each_class
    def test_a_tensor_that_cannot_be_drawn_stays(self, subject, make, text):
        tensor = make()
        with pytest.raises(InputError, match=f"^the tensor {text}"):
            subject.scheme.init_(tensor)
        with pytest.raises(InputError, match=f"^tensor 'fc.weight' {text}"):
            subject.scheme.init_(tensor, name="fc.weight")
        assert_equal(dense(tensor), dense(make()))

    @each_class
    def test_a_tensor_without_memory(self, subject):
        with pytest.raises(InputError, match=r"is on the meta device.*to_empty\(device='cpu'\)"):
            subject.scheme.init_(torch.empty(3, 4, device="meta"))

    @pytest.mark.parametrize("value", [None, [1.0], np.ones(3, np.float32), 3.0], ids=repr)
    @each_class
    def test_what_is_no_tensor(self, subject, value):
        kind = type(value).__name__
        with pytest.raises(InputError, match=f"the tensor must be a torch.Tensor, got {kind}"):
            subject.scheme.init_(value)

    @pytest.mark.parametrize("shape", [(), (5,), (1,) * 6], ids=str)
    @pytest.mark.parametrize("subject", WITH_LAYOUT, ids=str)
    def test_a_tensor_without_fans_stays(self, subject, shape):
        tensor = torch.full(shape, 7.0)
        with pytest.raises(FanError, match="no fan_in for shape"):
            subject.scheme.init_(tensor)
        assert torch.all(tensor == 7)

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"seed": 0.5}, "seed must be an integer, got 0.5"),
            ({"seed": True}, "seed must be an integer, got True"),
            ({"seed": 2**127}, "seed has 128 bits"),
            ({"name": 3}, "a stream's name is a string, not int"),
        ],
        ids=str,
    )
    @each_class
    def test_a_wrong_seed_or_name_draws_nothing(self, subject, options, text):
        tensor = subject.sevens()
        with pytest.raises(InputError, match=text):
            subject.scheme.init_(tensor, **options)
        assert torch.all(tensor == 7)

    @pytest.mark.parametrize("subject", WITH_LAYOUT, ids=str)
    def test_what_needs_a_layout_says_so(self, subject):
        with pytest.raises(FanError, match=r"depends on the layout of the weight, e\.g\."):
            subject.scheme.std()

    @pytest.mark.parametrize("layout", ["linear", (3, 4), Layout], ids=str)
    @pytest.mark.parametrize("subject", WITH_LAYOUT, ids=str)
    def test_what_is_no_layout_is_refused(self, subject, layout):
        tensor = subject.sevens()
        with pytest.raises(FanError, match="depends on the layout of the weight"):
            subject.scheme.init_(tensor, layout=layout)
        with pytest.raises(FanError, match="depends on the layout of the weight"):
            subject.scheme.std(layout)
        assert torch.all(tensor == 7)

    @pytest.mark.parametrize("shape", [(), (12,), (12, 16), (36, 8, 3, 3)], ids=str)
    @pytest.mark.parametrize("subject", WHOLE, ids=str)
    def test_a_tensor_that_is_not_the_weight_of_the_layout_stays(self, subject, shape):
        tensor = torch.full(shape, 7.0)
        with pytest.raises(InputError, match="shape") as error:
            subject.scheme.init_(tensor, layout=of_plain_weight(subject.shape))
        assert str(shape) in str(error.value)
        assert str(subject.shape) in str(error.value)
        assert torch.all(tensor == 7)

    @pytest.mark.parametrize(
        "scheme",
        [scheme for scheme in SCHEMES_OF_ALL_KINDS if not isinstance(scheme, OF_A_SHAPE)],
        ids=repr,
    )
    def test_an_axis_of_one_may_have_any_stride(self, scheme):
        shape = (1, 1, 3) if isinstance(scheme, (dirac, delta_orthogonal)) else (1, 6)
        if isinstance(scheme, OF_SEVERAL_UNITS) or scheme == dirac(groups=2):
            return
        tensor = torch.empty(6).as_strided(shape, (0,) * (len(shape) - 1) + (1,))
        assert_equal(scheme.init_(tensor, name="w"), drawn(scheme, *shape, name="w"))


@attrs.frozen(repr=False)
class halves(IndependentScheme):
    """What an IndependentScheme needs of a subclass: a law, and words about itself."""

    name, formula, use, citation = "halves", "w = 1/2", "tests", "here, 2024"

    def law(self, layout: Layout | None) -> Any:
        class Half:
            mean, std = 0.5, 0.0

            def fill(self, out: np.ndarray, stream: Stream, start: int) -> None:
                out.fill(0.5)

        return Half()


@attrs.frozen(repr=False)
class corner(MatrixScheme):
    """What a MatrixScheme needs of a subclass: how it makes one matrix, and its size."""

    name, formula, use, citation = "corner", "W[0, 0] = 1", "tests", "here, 2024"

    def square_sum(self, outputs: int, inputs: int, taps: int) -> float:
        return 1.0

    def make_(self, weight: Matrix, stream: Stream) -> None:
        weight.view.zero_()
        weight.write_at_(np.array([0]), np.array([0]), 1.0)


class TestSchemesOfOnesOwn:
    def test_an_independent_scheme_needs_a_law_only(self):
        assert repr(halves()) == "halves()"
        assert halves().std() == 0.0
        assert_equal(drawn(halves(), 3), torch.full((3,), 0.5))

    def test_a_matrix_scheme_makes_one_matrix_and_gets_all(self):
        layout = packed(linear((6, 4)), 3)
        expected = torch.zeros(6, 4)
        expected[::2, 0] = 1.0
        assert_equal(of_layout(corner(), layout), expected)
        assert_close(corner().std(layout), math.sqrt(3 / 24), 1e-15, "std")
        with pytest.raises(FanError, match=r"corner\(\) depends on the layout"):
            corner().std()

    def test_whatever_draws_and_cites_is_a_scheme_inside_another(self):
        class Tens:
            citation = "here, 2024"

            def std(self, layout: Layout | None = None) -> float:
                return 10.0

            def init_(self, tensor: Tensor, *, seed=0, name="", layout=None) -> Tensor:
                with torch.no_grad():
                    return tensor.fill_(10.0)

        for scheme in (scaled(Tens(), 0.1), masked(scaled(Tens(), 0.1), torch.ones(4, 8))):
            assert scheme.std(linear((4, 8))) == 1.0
            assert_equal(drawn(scheme, 4, 8), torch.ones(4, 8))


class TestNumbers:
    @pytest.mark.parametrize(
        ("make", "text"),
        [
            (lambda: normal(std="a"), "std must be a number, got 'a'"),
            (lambda: normal(mean=None), "mean must be a number, got None"),
            (lambda: normal(std=True), "std must be a number, got True"),
            (lambda: xavier_normal(gain="tanh"), "gain must be a number, got 'tanh'"),
            (lambda: he_normal("relu"), "negative_slope must be a number, got 'relu'"),
            (lambda: constant([1]), r"value must be a number, got \[1\]"),
            (lambda: normal(std=1e300), "std must be a finite number within the range of float32"),
            (lambda: uniform(-3e38, 3e38), "width must be a finite number within the range"),
            (lambda: uniform(1, 0), r"a \(1.0\) is above b \(0.0\)"),
            (lambda: truncated_normal(std=-2), "std must not be negative, got -2.0"),
            (lambda: by_name("uniform:-0.1"), "bound of scheme 'uniform' must not be negative"),
            (lambda: by_name(3), "a scheme is named by a text such as 'he_normal', got 3"),
            (lambda: truncated_normal(low=1.0, high=1 + 1e-9), "are one number in float32"),
        ],
    )
    def test_what_is_no_number_is_refused_by_the_name_of_its_field(self, make, text):
        with pytest.raises(InputError, match=text):
            make()

    def test_numbers_of_numpy_become_pythons(self):
        scheme = truncated_normal(std=np.float64(0.1), low=np.float32(-2), high=3)
        assert repr(scheme) == "truncated_normal(std=0.1, high=3.0)"

    def test_uniform_never_reaches_its_upper_bound(self):
        """Element 1,194,257 of this stream rounds up to 2 without a limit."""
        for name in ("w2", "a", "b"):
            drawn = uniform(1.0, 2.0).init_(torch.empty(4_000_000), name=name)
            assert drawn.max() < 2.0
            assert drawn.max() > 2.0 - 1e-5
        assert uniform(0.5, 0.5).init_(torch.empty(9)).eq(0.5).all()


def test_a_wrong_name_in_the_module_offers_the_nearest_right_ones():
    with pytest.raises(AttributeError, match=r"no scheme 'he_norml'\. Did you mean he_normal"):
        _ = schemes.he_norml
    assert not hasattr(schemes, "__path_that_is_not_there__")
