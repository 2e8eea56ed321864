"""Workflow commands: lines that GitHub Actions turns into annotations.

Their escapes are those of github.com/actions/toolkit, packages/core/src/command.ts.
"""

from __future__ import annotations

from fanin.diagnosis import Finding, Report
from fanin.report import check_wording
from fanin.report.check_formats.place import Place
from fanin.report.check_formats.sentences import sentence
from fanin.report.wording import visible

_IN_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_IN_PROPERTY = _IN_DATA | str.maketrans({":": "%3A", ",": "%2C"})


def github_commands(report: Report, *, source: Place | None = None) -> str:
    """A command a finding and a notice with the verdict, each on a line of its own.

    Args:
        report: of a check.
        source: where the model is built; annotations are pinned there.
    """
    lines = [_finding(one, source) for one in report.findings]
    return "\n".join([*lines, _notice(report, source)]) + "\n"


def _finding(finding: Finding, source: Place | None) -> str:
    return _command(finding.severity, f"fanin: {finding.kind}", sentence(finding), source)


def _notice(report: Report, source: Place | None) -> str:
    said = f"{report.model}: {report.verdict}, trainability {report.trainability:.2f}."
    if report.remedy_plan().rows:
        said += f" To mend what an init can mend: {check_wording.MEND}"
    return _command("notice", "fanin check", visible(said), source)


def _command(name: str, title: str, message: str, source: Place | None) -> str:
    properties = {"title": title}
    if source is not None:
        properties |= {"file": source.path, "line": str(source.line)}
    said = ",".join(f"{key}={it.translate(_IN_PROPERTY)}" for key, it in properties.items())
    return f"::{name} {said}::{message.translate(_IN_DATA)}"
