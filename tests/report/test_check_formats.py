"""Reports for machines: escapes, required parts, and names that mean something to a parser."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree import ElementTree as ET

import attrs
import pytest

from fanin import schemes
from fanin.diagnosis import KINDS, Finding, Limit, Report
from fanin.fans import linear
from fanin.recipes.plans.row import Row
from fanin.report.check_formats import Place, github_commands, junit_suite, sarif_log
from tests.report.observations import mlp

HOSTILE = (
    "<script>]]>&amp;\r\n::error::pwned%0A\x1b[31m\x00[a](http://b),title=x:\ud800\ufffe\u2028"
)
LIMIT = Limit("drift, error", 12.5, "e-foldings", "benchmarks/limits.py")
ROW = Row("0.weight", (64, 64), schemes.he_normal(), "ReLU follows.", linear((64, 64)))
ERROR = Finding(
    "vanishing", "error", ("0.weight", "2.weight"), "It falls from 1 to 1e-9.", "Draw it again.",
    20.1, LIMIT, (ROW,),
)  # fmt: skip
WARNING = Finding("dead", "warning", ("4.weight",), "3 of 64 units are dead.", "Lower the bias.")
PLACE = Place("src/models.py", 7)


def report(*findings: Finding, model: str = "Net") -> Report:
    return Report(attrs.evolve(mlp(), model=model), findings, 0.123, (), ("0.bias is frozen.",))


def hostile() -> Report:
    finding = attrs.evolve(
        ERROR, where=(HOSTILE, ""), evidence=f"{HOSTILE} is 0.", remedy=f"Mend {HOSTILE}."
    )
    made = report(finding, attrs.evolve(finding, severity="warning"), model=HOSTILE)
    return attrs.evolve(made, notes=(HOSTILE,))


def unescaped(text: str) -> str:
    """As GitHub's runner reads it."""
    for code, sign in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, sign)
    return text


def commands(text: str) -> list[tuple[str, dict[str, str], str]]:
    """Name, properties and message of each line, as GitHub's runner parses them."""
    found = []
    for line in text.splitlines():
        parts = re.fullmatch(r"::(\w+) ([^:]*)::(.*)", line)
        assert parts, line
        properties = dict(part.split("=", 1) for part in parts[2].split(","))
        found.append(
            (parts[1], {key: unescaped(it) for key, it in properties.items()}, unescaped(parts[3]))
        )
    return found


def results(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(text)["runs"][0]["results"]
    return found


class TestGithub:
    def test_a_command_a_finding_and_a_notice(self) -> None:
        first, second, notice = commands(github_commands(report(ERROR, WARNING), source=PLACE))
        place = {"file": "src/models.py", "line": "7"}
        said = "0.weight, 2.weight: It falls from 1 to 1e-9. Fix: Draw it again."
        assert first == ("error", {"title": "fanin: vanishing", **place}, said)
        assert second[0] == "warning"
        assert second[2].endswith("Lower the bias.")
        assert notice[:2] == ("notice", {"title": "fanin check", **place})
        assert notice[2] == (
            "Net: broken, trainability 0.12. "
            "To mend what an init can mend: report.remedy_plan().init_(model)"
        )

    def test_pastes_nothing_where_no_init_mends(self) -> None:
        for made, verdict in ((report(WARNING), "warning"), (report(), "healthy")):
            *_, (name, _, said) = commands(github_commands(made))
            assert (name, said) == ("notice", f"Net: {verdict}, trainability 0.12.")

    def test_a_hostile_name_stays_within_its_command(self) -> None:
        text = github_commands(hostile(), source=Place("a,b:c%0A::\nd.py", 1))
        assert "\x1b" not in text
        assert "\x00" not in text
        found = commands(text)
        assert [name for name, _, _ in found] == ["error", "warning", "notice"]
        for _, properties, message in found[:2]:
            assert properties == {
                "title": "fanin: vanishing", "file": "a,b:c%0A::\nd.py", "line": "1",
            }  # fmt: skip
            assert "::error::pwned%0A" in message

    def test_names_only_some_of_many_places(self) -> None:
        many = attrs.evolve(WARNING, where=tuple(f"{i}.weight" for i in range(30)))
        (_, _, message), _ = commands(github_commands(report(many)))
        assert "7.weight and 22 more: 3 of 64" in message


class TestSarif:
    def test_has_what_the_standard_and_github_require(self) -> None:
        log = json.loads(sarif_log(report(ERROR, WARNING), source=PLACE))
        assert log["version"] == "2.1.0"
        assert log["$schema"].startswith("https://")
        (run,) = log["runs"]
        driver = run["tool"]["driver"]
        assert driver["name"] == "fanin"
        assert [rule["id"] for rule in driver["rules"]] == list(KINDS)
        for rule in driver["rules"]:
            for part in ("shortDescription", "fullDescription", "help"):
                assert rule[part]["text"]
            assert rule["help"]["markdown"]
        assert run["properties"]["verdict"] == "broken"
        first, second = run["results"]
        assert (first["ruleId"], first["level"]) == ("vanishing", "error")
        assert (second["ruleId"], second["level"]) == ("dead", "warning")
        for result in (first, second):
            assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
            (location,) = result["locations"]
            assert location["physicalLocation"] == {
                "artifactLocation": {"uri": "src/models.py", "uriBaseId": "%SRCROOT%"},
                "region": {"startLine": 7},
            }
        assert first["message"]["text"].endswith(": It falls from 1 to 1e-9. Fix: Draw it again.")
        assert first["locations"][0]["logicalLocations"] == [
            {"fullyQualifiedName": "0.weight", "kind": "member"},
            {"fullyQualifiedName": "2.weight", "kind": "member"},
        ]

    def test_gives_no_place_where_none_is_known(self) -> None:
        (result,) = results(sarif_log(report(WARNING)))
        assert list(result["locations"][0]) == ["logicalLocations"]
        assert results(sarif_log(report())) == []

    def test_a_place_outside_of_the_repository_is_a_file_uri_and_names_are_quoted(self) -> None:
        for path, uri in (("/a b/c.py", "file:///a%20b/c.py"), ("a b/#c.py", "a%20b/%23c.py")):
            (result,) = results(sarif_log(report(WARNING), source=Place(path, 1)))
            artifact = result["locations"][0]["physicalLocation"]["artifactLocation"]
            assert artifact["uri"] == uri

    def test_findings_at_one_line_keep_apart_and_last(self) -> None:
        other = attrs.evolve(ERROR, where=("4.weight",))

        def prints(place: Place) -> list[str]:
            made = results(sarif_log(report(ERROR, other), source=place))
            return [one["partialFingerprints"]["primaryLocationLineHash"] for one in made]

        assert len(set(prints(PLACE))) == 2
        assert prints(PLACE) == prints(Place("src/models.py", 99))

    def test_hostile_names_and_numbers_are_plain_json(self) -> None:
        made = hostile()
        findings = tuple(attrs.evolve(one, value=float("inf")) for one in made.findings)
        text = sarif_log(attrs.evolve(made, findings=findings, trainability=float("nan")))
        text.encode("ascii")
        first, _ = results(text)
        # The standard wants them distinct; the root, whose path is empty, bears the model's name.
        assert first["locations"][0]["logicalLocations"] == [
            {"fullyQualifiedName": HOSTILE, "kind": "module"}
        ]
        assert "](" not in first["message"]["text"]
        assert first["message"]["text"].isprintable()
        assert first["properties"]["value"] == "inf"


class TestJunit:
    @pytest.mark.parametrize(
        ("fail_on", "failed"),
        [("error", ["vanishing"]), ("warning", ["dead", "vanishing"]), ("never", [])],
    )
    def test_a_test_a_kind_and_failures_as_asked(self, fail_on: Any, failed: list[str]) -> None:
        text = junit_suite(report(ERROR, WARNING), fail_on=fail_on)
        suites = ET.fromstring(text)
        (suite,) = suites
        assert (suites.tag, suite.tag, suite.get("name")) == (
            "testsuites", "testsuite", "fanin check",
        )  # fmt: skip
        assert (suite.get("tests"), suite.get("failures")) == ("7", str(len(failed)))
        cases = suite.findall("testcase")
        assert [case.get("name") for case in cases] == list(KINDS)
        assert {case.get("classname") for case in cases} == {"fanin.Net"}
        assert [case.get("name") for case in cases if case.find("failure") is not None] == failed
        told = {case.get("name"): case.findtext("system-out") for case in cases}
        assert told["vanishing"] == "error: It falls from 1 to 1e-9."
        assert told["dead"] == "warning: 3 of 64 units are dead."
        assert told["symmetry"] is None
        assert suite.findtext("system-out") == "0.bias is frozen."

    def test_a_failure_tells_all_findings_of_its_kind_with_remedies(self) -> None:
        more = attrs.evolve(ERROR, where=("6.weight",), remedy="Take a norm.")
        failure = ET.fromstring(junit_suite(report(ERROR, more))).find(".//failure")
        assert failure is not None
        assert failure.get("type") == "error"
        assert (failure.text or "").splitlines() == [
            "error: 0.weight, 2.weight: It falls from 1 to 1e-9. Fix: Draw it again.",
            "error: 6.weight: It falls from 1 to 1e-9. Fix: Take a norm.",
        ]

    def test_hostile_names_are_text(self) -> None:
        text = junit_suite(hostile(), fail_on="warning")
        text.encode("ascii")
        assert not re.search(r"[\x00-\x08\x0b-\x1f]", text)
        suites = ET.fromstring(text)
        assert {one.tag for one in suites.iter()} == {
            "testsuites", "testsuite", "properties", "property", "testcase", "failure",
            "system-out",
        }  # fmt: skip
        failure = suites.findtext(".//failure")
        assert failure is not None
        assert "<script>]]>&amp;" in failure
        assert "%0A" in failure
        assert len(failure.splitlines()) == 2
