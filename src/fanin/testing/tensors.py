"""Promises about tensors: small ones, parameters, and those that cannot be drawn."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import Parameter

from fanin.errors import FanError, FaninError, InputError
from fanin.schemes import AbstractScheme
from fanin.testing.case import Case, Complaints, accepts, difference
from fanin.testing.layouts import EMPTY


def returned(case: Case) -> Complaints:
    tensor = case.blank()
    result: object = case.scheme.init_(tensor, seed=case.seed, name="w", layout=case.layout)
    if result is not tensor:
        yield f"it returns another {type(result).__name__}"


def without_elements(case: Case) -> Complaints:
    scheme = case.scheme
    kinds = [layout for full, layout in EMPTY if accepts(scheme, full, full.shape)]
    for layout in (*kinds, *((None,) if accepts(scheme, None, (3,)) else ())):
        tensor = torch.empty(layout.shape if layout else 0)
        result: object = scheme.init_(tensor, seed=case.seed, name="w", layout=layout)
        if result is not tensor:
            yield f"for shape {tuple(tensor.shape)} it returns {result!r}"


def of_one_number(case: Case) -> Complaints:
    scheme = case.scheme
    number = torch.tensor(7.0)
    try:
        scheme.init_(number, seed=case.seed, name="w")
    except InputError as error:
        if number.item() != 7.0:
            yield f"it refuses a tensor of no axes and has written {number.item()!r} into it"
        needs_layout = not isinstance(scheme, AbstractScheme) or scheme.needs_layout
        if isinstance(error, FanError) and not needs_layout:
            yield f"it needs no layout, yet it refuses a tensor of no axes ({error})"


_MODES = {
    "with gradients enabled": torch.enable_grad,
    "under no_grad": torch.no_grad,
    "under inference_mode": torch.inference_mode,
}


def in_a_parameter(case: Case) -> Complaints:
    expected = case.drawn()
    for where, mode in _MODES.items():
        for trained in (True, False):
            parameter = Parameter(case.blank(), requires_grad=trained)
            gradient = torch.full_like(parameter, 3.0, requires_grad=False)
            parameter.grad = gradient
            with mode():
                case.draw(parameter)
            if parameter.requires_grad is not trained:
                yield f"{where} requires_grad={trained} becomes {parameter.requires_grad}"
            if not parameter.is_leaf or parameter.grad_fn is not None:
                yield f"{where} the parameter is no leaf any more ({parameter.grad_fn})"
            if parameter.grad is not gradient or not torch.all(gradient == 3.0):
                yield f"{where} the gradient of the parameter changes"
            changed = difference(parameter.detach(), expected)
            if changed:
                yield f"{where} {changed} between a parameter and a plain tensor"


def with_autograd_told(case: Case) -> Complaints:
    for where, mode in _MODES.items():
        parameter = Parameter(case.blank())
        result = parameter.square().sum()
        with mode():
            case.draw(parameter)
        try:
            torch.autograd.backward(result)
        except RuntimeError:
            continue
        yield f"{where} torch differentiates with values that it takes for the old ones"


def in_inference_mode(case: Case) -> Complaints:
    with torch.inference_mode():
        tensor = case.drawn()
    changed = difference(tensor.clone(), case.drawn())
    if changed:
        yield f"{changed} in a tensor made in inference mode"


def refused(case: Case) -> Complaints:
    dense = case.blank()
    tensors = {
        "an integer": case.blank(torch.int64),
        "a meta": torch.empty(case.layout.shape, device="meta"),
        "a sparse": dense.to_sparse(),
    }
    for what, tensor in tensors.items():
        try:
            case.draw(tensor)
        except FaninError:
            if what != "a meta" and not _still_sevens(tensor):
                yield f"it refuses {what} tensor and has written into it"
        except Exception as error:  # noqa: BLE001 - whatever a scheme may raise
            yield f"{what} tensor makes it raise {type(error).__name__} ({error})"
        else:
            yield f"it takes {what} tensor"


def _still_sevens(tensor: Tensor) -> bool:
    return bool(torch.all(tensor.to_dense() == 7))
