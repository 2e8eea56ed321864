"""Contract suites for what others write: schemes that go wherever fanin's go."""

from fanin.testing.contract import check_scheme

__all__ = ["check_scheme"]
