"""mimetic: pairs of attention weights whose product is near a multiple of the identity.

One chance of a false alarm, ``FALSE_ALARM``, is divided evenly among the random checks. The
weights rest on LAPACK, so they are compared to a tolerance and are in no table of bits.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from fanin.errors import FanError
from fanin.fans import conv, linear
from fanin.noise import Stream
from fanin.schemes import mimetic
from tests.claims import assert_close, assert_errors_below, assert_follows, assert_mean_of
from tests.noise import reference
from tests.schemes.subjects import drawn

FALSE_ALARM = 1e-6
CHECKS = 8
RATE = FALSE_ALARM / CHECKS
WIDTH = 192


def half(part: str, *shape: int, heads: int = 1, pair: str = "block", **options) -> Tensor:
    scheme = mimetic(part, pair=pair, heads=heads, **options)
    return scheme.init_(torch.empty(shape, dtype=torch.float64), name=f"{pair}.{part}")


def product_of_the_paper(pair: str, head: int, alpha: float, beta: float) -> np.ndarray:
    z = reference.normal(0, pair, head * WIDTH**2, WIDTH**2).reshape(WIDTH, WIDTH)
    return alpha / math.sqrt(WIDTH) * z.astype(np.float64) + beta * np.eye(WIDTH)


PAIRS = {"query and key": ("query", "key", 0.7, 0.7), "value and output": (None, None, 0.4, -0.4)}


def product_of_a_pair(kind: str, inner: int) -> np.ndarray:
    if kind == "query and key":
        query, key = half("query", inner, WIDTH), half("key", inner, WIDTH)
        return (query.T @ key).numpy()
    value, output = half("value", inner, WIDTH), half("output", WIDTH, inner)
    return (output @ value).numpy()


@pytest.mark.parametrize("kind", PAIRS)
class TestPairs:
    def test_at_full_rank_the_product_is_the_one_asked_for(self, kind):
        _, _, alpha, beta = PAIRS[kind]
        expected = product_of_the_paper("block", 0, alpha, beta)
        errors = product_of_a_pair(kind, WIDTH) - expected
        assert_errors_below(errors, 1e-12, f"product of {kind}")

    def test_a_head_holds_the_nearest_product_of_its_rank(self, kind):
        """Eckart and Young: what is left out are the smallest singular values."""
        _, _, alpha, beta = PAIRS[kind]
        expected = product_of_the_paper("block", 0, alpha, beta)
        values = np.linalg.svd(expected, compute_uv=False)
        left_out = np.linalg.norm(expected - product_of_a_pair(kind, 64))
        assert_close(left_out, float(np.linalg.norm(values[64:])), 1e-9, "what is left out")

    def test_the_diagonal_stands_out(self, kind):
        """0.70 at full rank and 0.39 at 64 of 192, as shares of the values for value and output."""
        _, _, alpha, beta = PAIRS[kind]
        full = np.diag(product_of_a_pair(kind, WIDTH))
        assert_mean_of(full, beta, alpha / math.sqrt(WIDTH), RATE, f"diagonal of {kind}")
        narrow = np.diag(product_of_a_pair(kind, 64)).mean()
        assert_close(float(narrow), beta * 0.39 / 0.7, 0.05, f"diagonal at 64 of {WIDTH}")

    def test_the_rest_is_normal(self, kind):
        _, _, alpha, beta = PAIRS[kind]
        rest = product_of_a_pair(kind, WIDTH) - beta * np.eye(WIDTH)
        law = stats.norm(0, alpha / math.sqrt(WIDTH))
        assert_follows(law.cdf(rest.ravel()), RATE, f"product of {kind} without its identity")


class TestSharing:
    def test_the_name_of_the_parameter_does_not_matter_and_the_pair_does(self):
        scheme = mimetic("query", pair="block")
        one, other = drawn(scheme, 32, 64, name="a"), drawn(scheme, 32, 64, name="b")
        assert one.equal(other)
        assert not one.equal(drawn(mimetic("query", pair="another"), 32, 64))
        assert not one.equal(drawn(scheme, 32, 64, seed=1))

    def test_a_query_and_a_key_of_different_pairs_do_not_fit(self):
        query, key = half("query", WIDTH, WIDTH), half("key", WIDTH, WIDTH, pair="another")
        assert abs(float((query.T @ key).diagonal().mean())) < 0.1

    def test_heads_have_products_of_their_own(self):
        heads, inner = 3, 64
        query = half("query", heads * inner, WIDTH, heads=heads).view(heads, inner, WIDTH)
        key = half("key", heads * inner, WIDTH, heads=heads).view(heads, inner, WIDTH)
        for head in range(heads):
            expected = product_of_the_paper("block", head, 0.7, 0.7)
            u, s, vt = np.linalg.svd(expected)
            nearest = (u[:, :inner] * s[:inner]) @ vt[:inner]
            errors = (query[head].T @ key[head]).numpy() - nearest
            assert_errors_below(errors, 1e-10, f"product of head {head}")

    def test_fewer_heads_of_keys_are_the_first_heads(self):
        """Grouped-query attention: sizes differ, and head h of either has the same product."""
        queries, keys = half("query", 128, WIDTH, heads=4), half("key", 64, WIDTH, heads=2)
        assert keys.equal(half("key", 128, WIDTH, heads=4)[:64])
        for head in range(2):
            rows = slice(32 * head, 32 * head + 32)
            assert float((queries[rows].T @ keys[rows]).diagonal().mean()) > 0.15


class TestScale:
    @pytest.mark.parametrize(
        ("part", "shape", "heads"),
        [
            ("query", (192, 192), 1),
            ("query", (192, 192), 3),
            ("key", (64, 192), 2),
            ("value", (192, 192), 1),
            ("value", (64, 192), 1),
            ("output", (192, 64), 1),
        ],
        ids=str,
    )
    def test_std_is_that_of_what_is_drawn(self, part, shape, heads):
        scheme = mimetic(part, pair="std", heads=heads)
        weight = drawn(scheme, *shape)
        expected = scheme.std(linear(shape))
        assert_close(float(weight.square().mean().sqrt()), expected, 0.01, "root mean square")

    @pytest.mark.parametrize(("alpha", "beta"), [(0.0, 0.7), (1.0, 0.0), (0.2, 2.0)])
    def test_std_for_other_products(self, alpha, beta):
        scheme = mimetic("key", pair="std", alpha=alpha, beta=beta)
        rms = float(drawn(scheme, 96, 192).square().mean().sqrt())
        assert_close(rms, scheme.std(linear((96, 192))), 0.01, "root mean square")

    def test_without_noise_the_pair_is_an_isometry(self):
        key = half("key", 24, 24, alpha=0.0, beta=0.25)
        assert_errors_below((key @ key.T).numpy() - 0.25 * np.eye(24), 1e-12, "Gram of a key")

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
    def test_narrow_types_are_the_double_rounded_once(self, dtype):
        scheme = mimetic("query", pair="block")
        expected = half("query", 48, 48).to(dtype)
        assert scheme.init_(torch.empty(48, 48, dtype=dtype)).equal(expected)


def test_the_threads_of_lapack_change_no_bit():
    from threadpoolctl import threadpool_limits

    drawn_with = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            drawn_with.append(half("query", 96, 192, heads=3))
    assert drawn_with[0].equal(drawn_with[1])


@pytest.mark.parametrize(
    ("scheme", "layout", "text"),
    [
        (mimetic("query", "b"), conv((4, 4, 3)), "mimetic is for attention, not for a conv weight"),
        (mimetic("query", "b", heads=3), linear((4, 4)), "heads=3 does not divide the 4 outputs"),
        (
            mimetic("query", "b"),
            linear((8, 4)),
            "of 8 outputs and 4 inputs with 1 heads is no half of a product of size 4",
        ),
        (mimetic("value", "b"), linear((8, 4)), "is no half of a product of size 4"),
        (mimetic("output", "b"), linear((4, 8)), "is no half of a product of size 4"),
    ],
    ids=["kernel", "heads", "query", "value", "output"],
)
def test_what_is_no_weight_of_attention_stays(scheme, layout, text):
    weight = torch.full(layout.shape, 7.0)
    with pytest.raises(FanError) as error:
        scheme.init_(weight, layout=layout)
    assert text in str(error.value)
    with pytest.raises(FanError):
        scheme.std(layout)
    assert weight.eq(7).all()


def test_z_is_the_noise_of_the_pair():
    assert Stream(0, "block").words.tolist() == list(reference.stream_words(0, "block"))
