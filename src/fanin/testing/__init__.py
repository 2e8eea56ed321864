"""For tests: contract suites for schemes and recipes of others, and a check as an assertion."""

from fanin.testing.contract import check_scheme
from fanin.testing.examples import Example
from fanin.testing.recipe_contract import check_recipe
from fanin.testing.trainability import assert_trainable

__all__ = ["Example", "assert_trainable", "check_recipe", "check_scheme"]
