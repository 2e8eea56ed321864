"""The pytest plugin: ``assert_trainable``, which fails a test whose network cannot train.

pytest loads it at every start, so nothing heavy is imported before the fixture is used.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanin.diagnosis import Report


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare --fanin-fail-on."""
    parser.getgroup("fanin").addoption(
        "--fanin-fail-on",
        choices=("error", "warning"),
        help="Least severity of a finding that fails assert_trainable, for tests that name none "
        "(default: error).",
    )


@pytest.fixture(scope="session")
def assert_trainable(pytestconfig: pytest.Config) -> Callable[..., Report]:
    """Check a network and fail the test if it cannot train.

    As ``fanin.testing.assert_trainable``; --fanin-fail-on sets the default of its fail_on.
    """
    from fanin import testing

    fail_on = pytestconfig.getoption("--fanin-fail-on")
    if fail_on is None:
        return testing.assert_trainable
    return partial(testing.assert_trainable, fail_on=fail_on)
