"""What hypothesis draws for the tests of the noise."""

from __future__ import annotations

from hypothesis import strategies as st

NAMES = st.text(max_size=12) | st.sampled_from(["", "fc.weight", "blocks.11.attn.qkv.weight"])
SEEDS = st.integers(-(2**127) + 1, 2**127 - 1) | st.integers(-3, 3)

# Where counters carry: 2^32 elements, 2^34 elements (2^32 blocks), far beyond, and the end.
STARTS = st.one_of(
    st.integers(0, 2000),
    *(
        st.integers(max(edge - 1500, 0), edge + 1500)
        for edge in (2**31, 2**32, 2**34, 2**40, 2**53)
    ),
    st.integers(2**62 - 4000, 2**62 - 1500),
)
LENGTHS = st.integers(0, 1500)
# Relative places at which a window is cut; several may coincide, so pieces may be empty.
CUTS = st.lists(st.floats(0, 1), max_size=5)
