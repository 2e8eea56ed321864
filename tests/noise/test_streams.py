"""Streams: which seeds and names there are, that no two meet, and that they are independent."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fanin.errors import InputError
from fanin.noise import Normal, Stream, normal, truncated_normal, uniform
from tests.claims import assert_same_bits, assert_uncorrelated, assert_z_score
from tests.noise import reference
from tests.noise.strategies import NAMES, SEEDS

# The chance that any check of this file fails although all streams are independent.
FALSE_ALARM = 1e-6

LARGEST = 2**127 - 1
# Names that a careless hash confuses: by joining parts, padding, trimming, normalising.
NAMES_THAT_NEARLY_MEET = [
    *("", " ", "\0", "\0\0", "a", "a ", "A", "a\0", "\0a"),
    *("a.b", "a.bc", "ab.c", "abc", "a.b.c", "a..bc", ".a.bc"),
    *("layer.1.weight", "layer.11.weight", "layer.1.1.weight", "layer.1.weight0"),
    *("\u00e9", "e\u0301", "\ud800", "?", "0", "1", "-1", "None"),
]
# Seeds whose bytes continue or resemble one another.
SEEDS_THAT_NEARLY_MEET = [
    *(0, 1, -1, 2, 255, 256, -256, 2**31, 2**32, 2**32 + 1, 2**63, -(2**63), 2**64),
    *(LARGEST, -LARGEST, LARGEST - 1, int.from_bytes(b"a", "little"), 2**120),
]


class TestNoTwoMeet:
    def test_names_and_seeds_that_nearly_meet(self):
        pairs = list(itertools.product(SEEDS_THAT_NEARLY_MEET, NAMES_THAT_NEARLY_MEET))
        streams = {tuple(Stream(seed, name).words.tolist()) for seed, name in pairs}
        assert len(streams) == len(pairs)
        keys = {words[:2] for words in streams}
        assert len(keys) == len(pairs), "streams share a Philox key"
        firsts = {uniform(seed, name, 0, 4).tobytes() for seed, name in pairs}
        assert len(firsts) == len(pairs), "streams begin alike"

    @settings(max_examples=200, deadline=None)
    @given(SEEDS, NAMES, SEEDS, NAMES)
    def test_different_pairs_have_different_words(self, seed, name, other_seed, other_name):
        assume((seed, name) != (other_seed, other_name))
        assert Stream(seed, name).words.tolist() != Stream(other_seed, other_name).words.tolist()

    @settings(max_examples=200, deadline=None)
    @given(SEEDS, NAMES)
    def test_the_words_are_the_documented_hash(self, seed, name):
        assert tuple(Stream(seed, name).words.tolist()) == reference.stream_words(seed, name)

    @settings(max_examples=200, deadline=None)
    @given(SEEDS, NAMES, st.integers(0, 2**64 - 1))
    def test_the_draw_is_the_salt_of_the_hash(self, seed, name, draw):
        stream = Stream(seed, name, draw)
        assert tuple(stream.words.tolist()) == reference.stream_words(seed, name, draw)
        aside = tuple(stream.aside().words.tolist())
        assert aside == reference.stream_words(seed, name, draw + 2**64)
        assert aside != tuple(stream.words.tolist())

    def test_draws_and_what_lies_aside_of_them_never_meet(self):
        draws = [0, 1, 2, 255, 256, 2**32, 2**63, 2**64 - 1]
        streams = [Stream(seed, name, d) for seed in (0, 1) for name in ("", "a") for d in draws]
        words = {tuple(s.words.tolist()) for stream in streams for s in (stream, stream.aside())}
        assert len(words) == 2 * len(streams)
        assert Stream(3, "a", 5).aside() == Stream(3, "a", 5 + 2**64)

    def test_the_first_draw_is_the_stream_without_one(self):
        """Whose bits are those of before there were draws: an empty salt is one of zeros."""
        assert Stream(0, "fc.weight", 0).words.tolist() == Stream(0, "fc.weight").words.tolist()

    @pytest.mark.parametrize(
        ("seed", "name", "words"),
        [
            (0, "fc.weight", "2aaf9047 7d335bd4 1821f5b7 452ca838"),
            (-(2**100), "", "33d5dae1 1a9b8ef0 d72feffe af40d40b"),
        ],
    )
    def test_the_hash_stays_from_version_to_version(self, seed, name, words):
        assert " ".join(f"{word:08x}" for word in Stream(seed, name).words.tolist()) == words

    def test_streams_are_equal_by_value(self):
        assert Stream(3, "a") == Stream(np.int64(3), "a")
        assert hash(Stream(3, "a")) == hash(Stream(3, "a"))
        assert Stream(3, "a") != Stream(4, "a")
        assert Stream(3, "a") != Stream(3, "b")
        assert Stream(3, "a") != Stream(3, "a", 1)
        assert Stream(3, "a") == Stream(3, "a", 0)
        assert repr(Stream(3, "a")) == "Stream(seed=3, name='a', draw=0)"

    def test_streams_are_frozen(self):
        stream = Stream(3, "a")
        with pytest.raises(dataclasses.FrozenInstanceError):
            stream.seed = 4
        with pytest.raises(ValueError, match="read-only"):
            stream.words[0] = 0


COUNT = 1 << 16
STREAMS = [
    *((0, name) for name in ("", "a", "b", "ab", "fc.weight", "fc.bias", "fc1.weight")),
    *((0, f"blocks.{i}.mlp.weight") for i in range(8)),
    *((seed, "fc.weight") for seed in (1, 2, 3, -1, -2, 256, 2**32, 2**64, LARGEST, -LARGEST)),
]
PAIRS = list(itertools.combinations(range(len(STREAMS)), 2))


@pytest.fixture(scope="module")
def drawn() -> np.ndarray:
    """A row of normals for each of the streams."""
    return np.stack([normal(seed, name, 0, COUNT) for seed, name in STREAMS]).astype(np.float64)


class TestIndependence:
    RATE = FALSE_ALARM / 5

    def test_streams_are_uncorrelated(self, drawn):
        for i, j in PAIRS:
            what = f"{STREAMS[i]} and {STREAMS[j]}"
            assert_uncorrelated(drawn[i], drawn[j], self.RATE / len(PAIRS), what)

    def test_magnitudes_are_uncorrelated(self, drawn):
        magnitudes = np.abs(drawn)
        for i, j in PAIRS:
            what = f"magnitudes of {STREAMS[i]} and {STREAMS[j]}"
            assert_uncorrelated(magnitudes[i], magnitudes[j], self.RATE / len(PAIRS), what)

    def test_no_stream_is_another_one_shifted(self, drawn):
        """Correlations at every lag, by FFT; lag 0 of a stream with itself is left out."""
        spectra = np.fft.rfft(drawn)
        checks = (len(PAIRS) + len(STREAMS)) * COUNT
        for i, j in [*PAIRS, *((i, i) for i in range(len(STREAMS)))]:
            lags = np.fft.irfft(spectra[i] * spectra[j].conj()) / math.sqrt(COUNT)
            if i == j:
                lags[0] = 0.0
            lag = int(np.argmax(np.abs(lags)))
            what = f"lag {lag} of {STREAMS[i]} and {STREAMS[j]}"
            assert_z_score(lags[lag], self.RATE / checks, what)

    def test_neighbours_in_a_group_are_uncorrelated(self, drawn):
        """Blocks, lanes and groups: each pair of columns of the 256 of a group, over groups."""
        groups = drawn.reshape(-1, 256)
        correlations = groups.T @ groups / math.sqrt(len(groups))
        np.fill_diagonal(correlations, 0.0)
        i, j = np.unravel_index(np.argmax(np.abs(correlations)), correlations.shape)
        rate = self.RATE / (256 * 255 / 2)
        assert_z_score(correlations[i, j], rate, f"correlation of elements {i} and {j}")

    def test_a_shared_stream_is_noticed(self, drawn):
        """The power of the checks: one part in twenty of another stream is found."""
        mixed = drawn[0] + 0.05 * drawn[1]
        with pytest.raises(AssertionError, match="correlation"):
            assert_uncorrelated(mixed, drawn[1], self.RATE / len(PAIRS), "a mixture")

    def test_bits_of_different_streams_agree_half_of_the_time(self):
        """Keys that differ in one bit would show here if ten rounds did not mix them."""
        words = np.stack([reference.words(seed, name, 0, 1 << 14) for seed, name in STREAMS])
        bits = 32 << 14
        for i, j in PAIRS:
            different = int(np.unpackbits((words[i] ^ words[j]).view(np.uint8)).sum())
            z = (different - bits / 2) / math.sqrt(bits / 4)
            what = f"bits of {STREAMS[i]} and {STREAMS[j]}"
            assert_z_score(z, self.RATE / len(PAIRS), what)


class TestDraws:
    """One check in a million fails although draws are independent."""

    def test_draws_of_a_name_are_uncorrelated(self):
        stream = Stream(0, "fc.weight")
        streams = [stream, stream.aside(), *(Stream(0, "fc.weight", draw) for draw in (1, 2, 3))]
        drawn = np.empty((len(streams), COUNT), np.float32)
        for row, one in zip(drawn, streams, strict=True):
            Normal().fill(row, one, 0)
        pairs = list(itertools.combinations(range(len(streams)), 2))
        for i, j in pairs:
            what = f"{streams[i]} and {streams[j]}"
            assert_uncorrelated(drawn[i], drawn[j], FALSE_ALARM / len(pairs), what)


class TestSeeds:
    @pytest.mark.parametrize("seed", [-1, -(2**63), 2**64, LARGEST, -LARGEST])
    def test_negative_and_huge_seeds(self, seed):
        assert Stream(seed, "").seed == seed
        assert_same_bits(normal(seed, "w", 0, 300), reference.normal(seed, "w", 0, 300))

    @pytest.mark.parametrize("seed", [LARGEST + 1, -LARGEST - 1, 2**1000])
    def test_seeds_that_are_too_long(self, seed):
        with pytest.raises(
            InputError, match=r"seed has \d+ bits; at most 127 can be used"
        ) as error:
            Stream(seed, "")
        assert str(seed.bit_length()) in str(error.value)

    @pytest.mark.parametrize("seed", [np.int64(-7), np.uint8(7), np.int32(7)])
    def test_integers_of_numpy_are_seeds(self, seed):
        assert_same_bits(uniform(seed, "w", 0, 300), uniform(int(seed), "w", 0, 300))

    @pytest.mark.parametrize("draw", [uniform, normal, truncated_normal])
    @pytest.mark.parametrize(
        "seed", [True, False, np.True_, 0.0, 1.5, math.nan, "0", b"0", None, [0], np.float64(1)]
    )
    def test_what_is_no_integer_is_no_seed(self, draw, seed):
        with pytest.raises(InputError, match="seed must be an integer, got") as error:
            draw(seed, "w", 0, 3)
        assert repr(seed) in str(error.value)


class TestNames:
    @pytest.mark.parametrize(
        ("name", "kind"), [(None, "NoneType"), (3, "int"), (b"fc", "bytes"), (("fc",), "tuple")]
    )
    @pytest.mark.parametrize("draw", [uniform, normal, truncated_normal])
    def test_what_is_no_string_is_no_name(self, draw, name, kind):
        with pytest.raises(InputError, match=f"^a stream's name is a string, not {kind}$"):
            draw(0, name, 0, 3)

    @settings(max_examples=50, deadline=None)
    @given(st.text(st.characters(exclude_categories=[]), max_size=8))
    def test_every_string_is_a_name(self, name):
        assert Stream(0, name).name == name
