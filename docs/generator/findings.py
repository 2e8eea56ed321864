"""A page for each kind of finding: what it says, its limits, and a network that shows it."""

from __future__ import annotations

import contextlib
import importlib
import io
import re
from typing import Any, Final

from fanin.diagnosis import KINDS, Limit, Report
from generator import markdown as md

# Each ends in `report`; `start` stands before all.
_START: Final = """\
import torch, fanin
from torch import nn
from torch.nn.functional import cross_entropy

torch.manual_seed(0)
x, y = torch.randn(64, 64), torch.randint(10, (64,))
"""
_CHECKED: Final = "report = fanin.check(model, x, y, loss=cross_entropy)\nprint(report)\n"
_NETWORKS: Final = {
    "nonfinite": """
class Logs(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.head = nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, x):
        return self.head(torch.log(self.hidden(x)))

model = Logs()
""",
    "symmetry": """
model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
for parameter in model.parameters():
    nn.init.constant_(parameter, 0.01)
""",
    "dead": """
model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
nn.init.constant_(model[2].bias, -10.0)
""",
    "saturation": """
model = nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 10))
nn.init.normal_(model[2].weight, std=2.0)
""",
    "exploding": """
layers = [nn.Linear(64, 64), nn.ReLU()]
for _ in range(10):
    layers += [nn.Linear(64, 64), nn.ReLU()]
model = nn.Sequential(*layers, nn.Linear(64, 10))
for layer in model[::2]:
    nn.init.normal_(layer.weight, std=0.5)
""",
    "vanishing": """
layers = [nn.Linear(64, 64), nn.ReLU()]
for _ in range(28):
    layers += [nn.Linear(64, 64), nn.ReLU()]
model = nn.Sequential(*layers, nn.Linear(64, 10))
""",
    "output_scale": """
model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
nn.init.normal_(model[2].weight, std=5.0)
""",
}  # fmt: skip


def pages(check: str) -> dict[str, str]:
    """Names and texts of all pages.

    Args:
        check: the page on ``fanin.check``, which says of each kind what is measured.
    """
    made = {f"findings/{kind}.md": _page(kind, check) for kind in KINDS}
    rows = [(f"[{kind}]({kind}.md)", _doc(kind)) for kind in KINDS]
    made["findings/index.md"] = "\n\n".join(
        (
            "# What a check finds",
            (
                f"The {len(KINDS)} kinds of finding of [`fanin.check`](../check.md), causes "
                "before their effects. Each page has the limits, the experiment behind each, and a "
                "network that shows it."
            ),
            md.table(("kind", "what it is"), rows),
            md.toctree(KINDS),
        )
    )
    return made


def _rule(kind: str) -> Any:
    return importlib.import_module(f"fanin.diagnosis.rules.{kind}")


def _doc(kind: str) -> str:
    return md.plain((_rule(kind).__doc__ or "").strip())


def _page(kind: str, check: str) -> str:
    code = (_START + _NETWORKS[kind] + "\n" + _CHECKED).replace("\n\n\n", "\n\n")
    printed, names = _run(code)
    report: Report = names["report"]
    if not report.findings or report.findings[0].kind != kind:
        raise RuntimeError(f"the network of {kind!r} shows {report!r}")
    parts = [
        f"# {_title(kind)}",
        _doc(kind),
        _section(kind, check),
        "## Limits",
        _limits(kind),
        "## A network that shows it",
        md.fence("python", code),
        "prints",
        md.fence("text", printed),
    ]
    return "\n\n".join((*parts, *_mended(names)))


def _mended(names: dict[str, Any]) -> tuple[str, ...]:
    """What its remedy does, where an init has one."""
    if not names["report"].remedy_plan().rows:
        return ("No init mends this one: the remedy is in the model's code.",)
    code = (
        "model = report.remedy_plan().init_(model)\n"
        "print(fanin.check(model, x, y, loss=cross_entropy).verdict)\n"
    )
    printed, _ = _run(code, names)
    return ("and, mended,", md.fence("python", code), "prints", md.fence("text", printed))


def _run(code: str, names: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
    known = {} if names is None else names
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "<page>", "exec"), known)
    return printed.getvalue(), known


def _title(kind: str) -> str:
    return kind.replace("_", " ").capitalize()


def _section(kind: str, check: str) -> str:
    found = re.search(rf"^## {_title(kind)}\n(.*?)^## ", check, re.MULTILINE | re.DOTALL)
    if found is None:
        raise RuntimeError(f"docs/check.md has no section {_title(kind)!r}")
    return found[1].strip()


def _limits(kind: str) -> str:
    limits = [one for one in vars(_rule(kind)).values() if isinstance(one, Limit)]
    rows = [(one.name, f"{one.value:g}", one.unit, f"`{one.source}`") for one in limits]
    return (
        "As `fanin.diagnosis.limits` has them, each with the script that trains networks on both "
        "sides of it.\n\n" + md.table(("limit", "value", "of what", "set by"), rows)
    )
