"""Random subsets: against Floyd's algorithm on Python's integers, in any cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanin.noise import Stream
from fanin.noise.subsets import choose, subsets
from tests.noise import reference

CASES = [
    *(
        (0, 5, 10, 3),
        (0, 1, 1, 1),
        (7, 4, 1000, 1),
        (3, 6, 9, 9),
        (0, 20, 64, 63),
        (2**33, 3, 5, 2),
    ),
    *((0, 3, 7, 0), (0, 0, 7, 3)),
]


@pytest.mark.parametrize(("first", "count", "size", "chosen"), CASES)
def test_subsets_are_those_of_the_reference(first, count, size, chosen):
    got = subsets(Stream(5, "places", 1), first, count, size, chosen)
    assert got.shape == (count, chosen)
    assert got.tolist() == reference.subsets(5, "places", 1, first, count, size, chosen)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 300), st.integers(0, 30), st.integers(0, 40), st.data())
def test_any_part_is_a_part_of_the_whole(first, count, size, data):
    chosen = data.draw(st.integers(0, size))
    whole = subsets(Stream(0, "cut"), 0, first + count, size, chosen)
    part = subsets(Stream(0, "cut"), first, count, size, chosen)
    assert np.array_equal(part, whole[first:])
    assert all(len(set(row)) == chosen for row in whole.tolist())
    assert not whole.size or (whole.min() >= 0 and whole.max() < size)


@pytest.mark.parametrize("word", [0, 1, 2**31, 2**32 - 1])
def test_extreme_words(word):
    """The least takes the first elements, the greatest the last."""
    out = np.empty((1, 3), np.int64)
    choose(np.full(6, word, np.uint32), 8, out)
    if word == 2**32 - 1:
        assert out.tolist() == [[5, 6, 7]]
    elif word < 2:
        assert out.tolist() == [[0, 6, 7]]
    assert len(set(out[0].tolist())) == 3
