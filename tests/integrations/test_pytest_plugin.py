"""The pytest plugin in a pytest of its own, as a user's project runs it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
from torch import nn

from fanin import diagnosis, testing
from fanin.diagnosis import Finding, Report
from fanin.errors import InputError, UntrainableError

# What the check finds depends on the model's bias, so that no rule's limits matter here.
CONFTEST = """
import attrs
from fanin import diagnosis

judged = diagnosis.check
DEAD = ("dead", ("bias",), "All 4 units are <dead> [red].", "Lower the bias.")


def check(model, *arguments, **others):
    severity = {0.0: None, 1.0: "warning", 2.0: "error"}[float(model.bias.detach()[0])]
    kind, where, evidence, remedy = DEAD
    found = (diagnosis.Finding(kind, severity, where, evidence, remedy),) if severity else ()
    return attrs.evolve(judged(model, *arguments, **others), findings=found)


diagnosis.check = check
"""

TESTS = """
import torch
from torch import nn


def net(bias):
    model = nn.Linear(8, 4)
    nn.init.constant_(model.bias, bias)
    return model


def test_healthy(assert_trainable):
    report = assert_trainable(net(0.0), torch.randn(16, 8))
    assert report.verdict == "healthy"


def test_warned(assert_trainable):
    targets = torch.zeros(16, dtype=torch.long)
    report = assert_trainable(net(1.0), torch.randn(16, 8), targets, loss=nn.CrossEntropyLoss())
    assert report.verdict == "warning"


def test_broken(assert_trainable):
    assert_trainable(net(2.0), torch.randn(16, 8))


def test_strict(assert_trainable):
    assert_trainable(net(1.0), torch.randn(16, 8), fail_on="warning")


def test_lenient(assert_trainable):
    assert_trainable(net(1.0), torch.randn(16, 8), fail_on="error")
"""

Pytest = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Pytest:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_nets.py").write_text(TESTS)

    def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:randomly", "-W", "error", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return ran


def test_a_failure_reads_like_a_report_without_frames_of_fanin(run: Pytest) -> None:
    done = run("-rA")
    assert done.returncode == 1, done.stdout + done.stderr
    for name, outcome in {
        "healthy": "PASSED", "warned": "PASSED", "broken": "FAILED", "strict": "FAILED",
        "lenient": "PASSED",
    }.items():  # fmt: skip
        assert f"{outcome} test_nets.py::test_{name}" in done.stdout
    assert ">       assert_trainable(net(2.0), torch.randn(16, 8))" in done.stdout
    assert "UntrainableError: ✗ BROKEN" in done.stdout
    assert "All 4 units are <dead> [red]." in done.stdout
    assert "Lower the bias." in done.stdout
    assert "trainability.py" not in done.stdout
    assert "result.py" not in done.stdout


def test_an_option_makes_warnings_fail_where_the_test_does_not_say(run: Pytest) -> None:
    done = run("-rA", "--fanin-fail-on=warning", "-k", "healthy or warned or lenient")
    assert done.returncode == 1, done.stdout + done.stderr
    for name, outcome in {"healthy": "PASSED", "warned": "FAILED", "lenient": "PASSED"}.items():
        assert f"{outcome} test_nets.py::test_{name}" in done.stdout
    assert "invalid choice: 'info'" in run("--fanin-fail-on=info").stderr


def test_nothing_heavy_is_imported_before_the_fixture_is_used(tmp_path: Path) -> None:
    (tmp_path / "test_light.py").write_text(
        "import sys\n"
        "def test_light(pytestconfig):\n"
        "    assert pytestconfig.pluginmanager.has_plugin('fanin')\n"
        "    heavy = {'torch', 'numpy', 'rich', 'fanin.diagnosis', 'fanin.testing'}\n"
        "    assert not heavy & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:hypothesispytest"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_fixture_is_the_function_of_testing(assert_trainable: Callable[..., Report]) -> None:
    assert assert_trainable is testing.assert_trainable


def test_returns_the_report_and_raises_an_assertion_error(monkeypatch: pytest.MonkeyPatch) -> None:
    model, inputs = nn.Linear(8, 4), torch.randn(16, 8)
    report = attrs.evolve(diagnosis.check(model, inputs), findings=())
    found = Finding("dead", "error", ("weight",), "All are dead.", "Lower the bias.")
    monkeypatch.setattr(diagnosis, "check", lambda *_, **__: report)
    assert testing.assert_trainable(model, inputs) is report
    broken = attrs.evolve(report, findings=(found,))
    monkeypatch.setattr(diagnosis, "check", lambda *_, **__: broken)
    with pytest.raises(AssertionError, match="All are dead") as caught:
        testing.assert_trainable(model, inputs)
    assert isinstance(caught.value, UntrainableError)
    assert caught.value.report is broken
    assert str(caught.value) == str(broken)
    assert [entry.name for entry in caught.traceback] == [
        "test_returns_the_report_and_raises_an_assertion_error", "assert_trainable",
    ]  # fmt: skip


def test_the_example_of_the_docs_passes() -> None:
    text = (Path(__file__).parents[2] / "docs" / "check_in_ci.md").read_text()
    (example,) = re.findall(r"```python\n(import torch\n.*?)```", text, re.DOTALL)
    written: dict[str, Any] = {}
    exec(example, written)
    written["test_net_can_train"](testing.assert_trainable)


def test_refuses_another_fail_on_before_the_model_runs() -> None:
    with pytest.raises(InputError, match="fail_on must be 'warning' or 'error', got 'never'"):
        testing.assert_trainable(None, None, fail_on="never")  # type: ignore[arg-type]
