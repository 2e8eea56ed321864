"""Philox4x32-10 against published vectors, and the order in which a stream takes its words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanin.noise import Stream, philox4x32, uniform
from fanin.noise.kernels import GROUP, group_words
from tests.noise import reference

# Random123, tests/kat_vectors, lines "philox4x32 10".
KNOWN_ANSWERS = [
    pytest.param((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8", id="zeros"),
    pytest.param(
        (0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd", id="ones"
    ),
    pytest.param(
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        "d16cfe09 94fdcceb 5001e420 24126ea1",
        id="digits of pi",
    ),
]

WORD = st.integers(0, 2**32 - 1)


def as_text(words: tuple[int, ...]) -> str:
    return " ".join(f"{word:08x}" for word in words)


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
@pytest.mark.parametrize("block", [philox4x32, reference.philox_block])
def test_known_answers_of_random123(block, counter, key, expected):
    assert as_text(block(counter, key)) == expected


@settings(max_examples=300, deadline=None)
@given(st.tuples(WORD, WORD, WORD, WORD), st.tuples(WORD, WORD))
def test_blocks_equal_the_slow_reference(counter, key):
    assert philox4x32(counter, key) == reference.philox_block(counter, key)


def test_the_arrays_of_the_reference_are_its_blocks():
    counters = [(5, 0, 7, 8), (0xFFFFFFFF, 1, 2, 3), (0, 0xFFFFFFFF, 0, 0)]
    columns = tuple(np.array(column, np.uint64) for column in zip(*counters, strict=True))
    blocks = np.stack(reference.philox_blocks(columns, (11, 12)), axis=1)
    expected = [reference.philox_block(counter, (11, 12)) for counter in counters]
    assert blocks.tolist() == [list(block) for block in expected]


# 2^26 groups are 2^32 blocks: there the second word of the counter begins to count.
GROUPS = [0, 1, 1000, 2**26 - 1, 2**26, 2**33 + 5, 2**54 - 1]


def group_by_definition(seed: int, name: str, group: int) -> list[int]:
    """Element 64 lane + c is word ``lane`` of the block with counter 64 group + c."""
    k0, k1, c2, c3 = reference.stream_words(seed, name)
    blocks = [
        reference.philox_block((n % 2**32, n // 2**32, c2, c3), (k0, k1))
        for n in range(64 * group, 64 * group + 64)
    ]
    return [block[lane] for lane in range(4) for block in blocks]


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_takes_lane_by_lane_from_64_blocks(group):
    words = np.empty(GROUP, np.uint32)
    group_words(words, group, Stream(3, "fc.weight").words)
    assert words.tolist() == group_by_definition(3, "fc.weight", group)


@pytest.mark.parametrize("group", GROUPS)
def test_the_elements_of_a_stream_are_in_the_order_of_its_groups(group):
    drawn = uniform(3, "fc.weight", 256 * group, 256) * 2.0**24
    expected = [(word ^ 1 << 31) >> 8 for word in group_by_definition(3, "fc.weight", group)]
    assert drawn.astype(np.int64).tolist() == expected


@pytest.mark.parametrize("start", [0, 200, 2**34 - 300, 2**40 + 17])
def test_the_words_of_the_reference_are_in_the_same_order(start):
    first, last = start // 256, (start + 599) // 256
    groups = [group_by_definition(-5, "a", group) for group in range(first, last + 1)]
    expected = [word for group in groups for word in group][start % 256 :][:600]
    assert reference.words(-5, "a", start, 600).tolist() == expected
