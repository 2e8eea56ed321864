"""Four checkers behind one call; each is used as its documentation shows.

All get the same network in training mode, the same batch and loss, and Adam at 1e-3 where they
take an optimizer.

- torchtest2: ``check_model`` with all defaults, and ``batch_dim=None`` for graphs; FAIL is an
  error, WARN a warning.
- torch-audit: ``audit_dynamic`` around one step by its wrappers, each step audited. Its hints on
  hardware and the optimizer's configuration and its advice on architecture are left out: they do
  not say whether a network trains; so are its own crashes. INFO is recorded, and is no warning.
- torchdiag: ``check_dead_neurons`` and ``verify_step`` on the batch, ``check_gradients`` after a
  backward pass. It has no levels: CRITICAL, a loss that is not finite and a step that changes
  nothing are errors, the rest are warnings.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

import fanin
from benchmarks.corpus.training import call

Level = Literal["healthy", "info", "warning", "error"]
LEVELS: tuple[Level, ...] = ("healthy", "info", "warning", "error")
Loss = Callable[[Any, Any], Tensor]

_ADVICE = frozenset(
    {"TA200", "TA201", "TA202", "TA203", "TA400", "TA401", "TA402", "TA403", "TA404"}
)


@dataclass(frozen=True)
class Complaint:
    """One thing that a tool says.

    Args:
        level: how bad the tool says it is.
        kind: in the tool's words.
        names: of parameters and modules.
        text: the tool's sentence.
    """

    level: Level
    kind: str
    names: tuple[str, ...] = ()
    text: str = ""


@dataclass(frozen=True)
class Subject:
    """What a tool is given.

    Args:
        model: in training mode.
        inputs: as ``fanin.check`` takes them.
        targets: for the loss.
        loss: of outputs and targets.
        given: False: the case has no targets and loss for tools that can do without.
        batched: False: the first axis holds no examples, as with the nodes of a graph.
    """

    model: nn.Module
    inputs: Any
    targets: Any
    loss: Loss
    given: bool = True
    batched: bool = True
    optimizer: torch.optim.Optimizer = field(init=False)

    def __post_init__(self) -> None:
        wanted = [p for p in self.model.parameters() if p.requires_grad]
        object.__setattr__(self, "optimizer", torch.optim.Adam(wanted, lr=1e-3))


def by_fanin(subject: Subject) -> list[Complaint]:
    given = {"targets": subject.targets, "loss": subject.loss} if subject.given else {}
    report = fanin.check(subject.model, subject.inputs, **given)
    return [Complaint(one.severity, one.kind, one.where, one.evidence) for one in report.findings]


def by_torchtest2(subject: Subject) -> list[Complaint]:
    import torchtest2

    given = {"targets": subject.targets, "loss_fn": subject.loss} if subject.given else {}
    report = torchtest2.check_model(
        subject.model,
        subject.inputs,
        optimizer=subject.optimizer,
        batch_dim=0 if subject.batched else None,
        **given,
    )
    return [
        Complaint(level, one.name, _names(one.details), one.message)
        for level, found in (("error", report.failures), ("warning", report.warnings))
        for one in found
    ]


def _names(details: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of parameters in the details of a check of torchtest2."""
    keys = (
        "missing", "no_grad", "zero_grad", "non_finite", "changed", "unchanged", "zero_gradient",
        "vanishing_gradient",
    )  # fmt: skip
    found: dict[str, None] = {}
    for key in keys:
        listed = details.get(key) or ()
        if not isinstance(listed, str) and isinstance(listed, Iterable):
            found |= dict.fromkeys(map(str, listed))
    large = (name for name, ratio in details.get("relative", {}).items() if ratio > 1e3)
    return tuple(found | dict.fromkeys(large))


class Packed(nn.Module):
    """A network whose forward takes one object, as torchdiag calls it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Any) -> Any:
        return call(self.model, inputs)


def by_torch_audit(subject: Subject) -> list[Complaint]:
    from torch_audit import audit_dynamic

    packed, optimizer = Packed(subject.model), subject.optimizer
    with audit_dynamic(
        packed,
        optimizer=optimizer,
        every_n_steps=1,
        ignore_rules=set(_ADVICE),
        suppress_internal_errors=True,
    ) as auditor:
        optimizer.zero_grad(set_to_none=True)
        outputs = auditor.forward(subject.inputs)
        auditor.backward(subject.loss(outputs, subject.targets))
        auditor.optimizer_step()
    severities: dict[str, Level] = {"INFO": "info", "WARN": "warning"}
    found: dict[tuple[str, str], Complaint] = {}
    for one in auditor.finish(report=False).findings:
        level = severities.get(one.severity.value, "error")
        path = _unpacked(one.module_path or "")
        name = path if path and path != "global" else ""
        kind, _, entity = (one.entity or "").partition(":")
        if name and kind in {"param", "grad"}:
            name = f"{name}.{entity}"
        complaint = Complaint(level, one.rule_id, (name,) if name else (), one.message)
        found.setdefault((one.rule_id, name), complaint)
    return list(found.values())


def _unpacked(name: str) -> str:
    return name.removeprefix("model").removeprefix(".")


def by_torchdiag(subject: Subject) -> list[Complaint]:
    import torchdiag

    packed = Packed(subject.model)
    found: list[Complaint] = []
    with contextlib.redirect_stdout(io.StringIO()):
        dead = torchdiag.check_dead_neurons(packed, subject.inputs)
        packed.zero_grad(set_to_none=True)
        subject.loss(packed(subject.inputs), subject.targets).backward()
        gradients = torchdiag.check_gradients(packed)
        step = torchdiag.verify_step(
            packed, subject.optimizer, subject.loss, subject.inputs, subject.targets
        )
    for name, it in dead.items():
        if it["dead_pct"] > 20:
            level: Level = "error" if it["dead_pct"] > 50 else "warning"
            text = f"{it['dead_pct']:.0f}% neurons dead"
            found.append(Complaint(level, "dead", (_unpacked(name),), text))
    for name, it in gradients.items():
        if it["status"] != "OK":
            found.append(Complaint("warning", it["status"].lower(), (_unpacked(name),)))
    value = step.get("loss")
    if isinstance(value, float) and not torch.isfinite(torch.tensor(value)):
        found.append(Complaint("error", "loss", (), f"loss is {value}"))
    if step.get("params_unchanged", 0) > 0 and not step.get("params_updated"):
        found.append(Complaint("error", "unchanged", (), "no parameters changed"))
    return found


TOOLS: dict[str, Callable[[Subject], list[Complaint]]] = {
    "fanin": by_fanin,
    "torchtest2": by_torchtest2,
    "torch-audit": by_torch_audit,
    "torchdiag": by_torchdiag,
}

# What the tools' words mean among fanin's kinds, where they name a cause.
KINDS = {
    "vanish": "vanishing", "explode": "exploding", "dead": "dead", "loss": "nonfinite",
    "TA100": "nonfinite", "TA102": "exploding", "TA103": "dead", "TA105": "dead",
    "initial_loss": "output_scale", "gradient_magnitude": "exploding",
    "gradient_flow": "dead", "output_finite": "nonfinite",
}  # fmt: skip


class Apart(nn.Module):
    """An activation as modules, one for each place: torchdiag and torch-audit see only modules."""

    def __init__(self, module: Callable[[], nn.Module], places: int) -> None:
        super().__init__()
        self.at = nn.ModuleList(module() for _ in range(places))
        self.turn = 0

    def forward(self, x: Tensor) -> Tensor:
        self.turn = (self.turn + 1) % len(self.at)
        return self.at[self.turn - 1](x)


def spelled(model: nn.Module) -> nn.Module:
    """Plain networks of the corpus, with a module for each activation."""
    functions = {
        torch.nn.functional.relu: nn.ReLU,
        torch.nn.functional.tanh: nn.Tanh,
        torch.nn.functional.gelu: nn.GELU,
        torch.nn.functional.elu: nn.ELU,
        torch.nn.functional.leaky_relu: partial(nn.LeakyReLU, 0.01),
    }
    activation, stack = getattr(model, "activation", None), getattr(model, "layers", None)
    if type(model).__name__ == "MLP" and activation in functions and stack is not None:
        model.activation = Apart(functions[activation], len(stack))
    return model
