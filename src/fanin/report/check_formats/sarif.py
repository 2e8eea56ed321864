"""SARIF 2.1.0, the OASIS standard that GitHub's code scanning and editors read."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from fanin.diagnosis import KINDS, Finding, Report
from fanin.observation.values import plain
from fanin.report.check_formats.kinds import ABOUT
from fanin.report.check_formats.place import Place
from fanin.report.check_formats.sentences import sentence

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)


def sarif_log(report: Report, *, source: Place | None = None) -> str:
    """A log of one run: a rule for every kind, a result for every finding.

    Args:
        report: of a check.
        source: where the model is built. Code scanning shows no result that has no place.
    """
    names = {name for one in report.observation.parameters for name in one.names}
    run = {
        "tool": {
            "driver": {
                "name": "fanin",
                "semanticVersion": version("fanin"),
                "rules": [_rule(number) for number in range(len(KINDS))],
            }
        },
        "invocations": [{"executionSuccessful": True}],
        "columnKind": "unicodeCodePoints",
        "results": [_result(one, report.model, names, source) for one in report.findings],
        "properties": {
            "model": report.model,
            "verdict": report.verdict,
            "trainability": plain(report.trainability),
            "loss": plain(report.loss),
        },
    }
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=1, allow_nan=False) + "\n"


def _rule(number: int) -> dict[str, Any]:
    kind = KINDS[number]
    about = ABOUT[kind]
    return {
        "id": kind,
        "name": "".join(word.capitalize() for word in kind.split("_")),
        "shortDescription": {"text": about.title},
        "fullDescription": {"text": about.meaning},
        "help": {
            "text": f"{about.meaning} {about.remedy}",
            "markdown": f"{about.meaning}\n\n{about.remedy}",
        },
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["initialization"]},
    }


def _result(
    finding: Finding, model: str, parameters: set[str], source: Place | None
) -> dict[str, Any]:
    named = {
        name or model: "member" if name in parameters else "module"
        for name in finding.where or ("",)
    }
    location: dict[str, Any] = {
        "logicalLocations": [
            {"fullyQualifiedName": name, "kind": kind} for name, kind in named.items()
        ]
    }
    if source is not None:
        location["physicalLocation"] = {
            "artifactLocation": _artifact(source.path),
            "region": {"startLine": source.line},
        }
    return {
        "ruleId": finding.kind,
        "ruleIndex": KINDS.index(finding.kind),
        "level": finding.severity,
        # "](" would make a link of what precedes it.
        "message": {"text": sentence(finding).replace("](", "] (")},
        "locations": [location],
        # All results of a model lie at one line, by which code scanning would take two of a kind
        # for one. This tells them apart, and it lasts when the line moves.
        "partialFingerprints": {"primaryLocationLineHash": _fingerprint(finding, model)},
        "properties": {"value": plain(finding.value), "limit": plain(finding.limit)},
    }


def _artifact(path: str) -> dict[str, str]:
    if PurePath(path).is_absolute():
        return {"uri": PurePath(path).as_uri()}
    return {"uri": quote(path), "uriBaseId": "%SRCROOT%"}


def _fingerprint(finding: Finding, model: str) -> str:
    said = json.dumps([model, finding.kind, finding.where])
    return hashlib.sha256(said.encode()).hexdigest()[:16] + ":1"
