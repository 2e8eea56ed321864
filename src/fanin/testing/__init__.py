"""For tests: contract suites for schemes of others, and a check as an assertion."""

from fanin.testing.contract import check_scheme
from fanin.testing.trainability import assert_trainable

__all__ = ["assert_trainable", "check_scheme"]
