"""A stream: the endless random sequence that belongs to one (seed, name)."""

from __future__ import annotations

import hashlib
import operator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fanin.errors import InputError

# Part of every key, so that a change of the algorithm changes every stream visibly.
_PERSON = b"fanin noise 1"
_SEED_BYTES = 16


@dataclass(frozen=True, slots=True)
class Stream:
    """The random sequence of (seed, name, draw), and of nothing else.

    The name is hashed with its length in front and the seed behind it (BLAKE2b, 128 bits):
    64 bits are the Philox key, 64 the upper half of its counter; the lower half counts
    blocks. So no two names meet, and adding a parameter shifts no other. What one parameter
    needs beside its first sequence (the next block of a packed weight, the places of zeros)
    comes from draw 1, 2, ..., which is BLAKE2b's salt.

    Args:
        seed: any integer of at most 127 bits and a sign.
        name: usually the parameter's name, as ``named_parameters`` gives it.
        draw: which of the sequences of this name.

    Raises:
        InputError: the seed is not an integer or too large, or the name is not a string.
    """

    seed: int
    name: str
    draw: int = 0
    words: NDArray[np.uint64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise InputError(f"a stream's name is a string, not {type(self.name).__name__}")
        seed = checked_seed(self.seed)
        name = self.name.encode("utf-8", "surrogatepass")
        message = len(name).to_bytes(8, "little") + name + seed.to_bytes(16, "little", signed=True)
        digest = hashlib.blake2b(
            message, digest_size=16, person=_PERSON, salt=self.draw.to_bytes(16, "little")
        ).digest()
        words = np.frombuffer(digest, dtype="<u4").astype(np.uint64)
        words.flags.writeable = False
        object.__setattr__(self, "seed", seed)
        object.__setattr__(self, "words", words)

    def aside(self) -> Stream:
        """A second sequence of the same draw, for what is no element of the tensor."""
        return Stream(self.seed, self.name, self.draw + (1 << 64))


def checked_seed(seed: object) -> int:
    """The seed as an int.

    Raises:
        InputError: it is a bool, no integer, or longer than 127 bits.
    """
    if isinstance(seed, bool) or not hasattr(seed, "__index__"):
        raise InputError(f"seed must be an integer, got {seed!r}")
    value = operator.index(seed)
    if value.bit_length() > _SEED_BYTES * 8 - 1:
        raise InputError(f"seed has {value.bit_length()} bits; at most 127 can be used")
    return value
