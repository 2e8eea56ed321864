"""A check's report for the machines of a CI: GitHub's annotations, SARIF, JUnit."""

from fanin.report.check_formats.failing import FailOn, fails
from fanin.report.check_formats.github import github_commands
from fanin.report.check_formats.junit import junit_suite
from fanin.report.check_formats.place import Place
from fanin.report.check_formats.sarif import sarif_log

__all__ = ["FailOn", "Place", "fails", "github_commands", "junit_suite", "sarif_log"]
