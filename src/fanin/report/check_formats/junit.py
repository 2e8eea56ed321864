"""JUnit XML, which Jenkins, GitLab and most others read."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from fanin.diagnosis import KINDS, Finding, Report
from fanin.report.check_formats.failing import FailOn, fails
from fanin.report.check_formats.kinds import ABOUT
from fanin.report.check_formats.sentences import sentence
from fanin.report.wording import number, visible


def junit_suite(report: Report, *, fail_on: FailOn = "error") -> str:
    """A suite "fanin check" with a test for each kind of finding; ASCII.

    Args:
        report: of a check.
        fail_on: what is a failure; what is none is told in the test's output.
    """
    cases = {
        kind: [finding for finding in report.findings if finding.kind == kind] for kind in KINDS
    }
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(fails(found, fail_on) for found in cases.values())),
        "errors": "0",
        "skipped": "0",
    }
    suites = Element("testsuites", {"name": "fanin check", **counts})
    suite = SubElement(suites, "testsuite", {"name": "fanin check", **counts})
    properties = SubElement(suite, "properties")
    for name, value in {
        "model": visible(report.model),
        "verdict": report.verdict,
        "trainability": number(report.trainability),
        "loss": number(report.loss),
    }.items():
        SubElement(properties, "property", {"name": name, "value": value})
    for kind, found in cases.items():
        case = SubElement(
            suite, "testcase", {"classname": f"fanin.{visible(report.model)}", "name": kind}
        )
        _tell(case, found, fail_on)
    if report.notes:
        SubElement(suite, "system-out").text = "\n".join(map(visible, report.notes))
    indent(suites, " ")
    made: bytes = tostring(suites, encoding="us-ascii", xml_declaration=True)
    return f"{made.decode('ascii')}\n"


def _tell(case: Element, found: Sequence[Finding], fail_on: FailOn) -> None:
    failed = [finding for finding in found if fails([finding], fail_on)]
    if failed:
        about = {"type": failed[0].severity, "message": ABOUT[failed[0].kind].title}
        told = "\n".join(f"{one.severity}: {sentence(one)}" for one in failed)
        SubElement(case, "failure", about).text = told
    if found:
        told = "\n".join(f"{one.severity}: {visible(one.evidence)}" for one in found)
        SubElement(case, "system-out").text = told
