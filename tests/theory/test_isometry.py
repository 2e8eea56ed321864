"""Dynamical isometry: Pennington et al. 2017 and the singular values of real networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fanin.errors import InputError, UnknownNameError
from fanin.theory.isometry import dynamical_isometry
from fanin.theory.mean_field import moments
from tests.claims import assert_mean_of_replicas
from tests.theory.networks import FUNCTIONS


@pytest.mark.parametrize(
    ("name", "weights", "variance"),
    [
        ("linear", "gaussian", 10.0),
        ("linear", "orthogonal", 0.0),
        ("relu", "gaussian", 20.0),
        ("relu", "orthogonal", 10.0),
    ],
)
def test_variances_at_the_gain_are_known(name: str, weights: str, variance: float) -> None:
    """Pennington et al., 1711.04735: L, 0, 2 L, L."""
    found = dynamical_isometry(name, 10, weights=weights)  # type: ignore[arg-type]
    assert found.mean == pytest.approx(1.0)
    assert found.variance == pytest.approx(variance)
    assert found.relative_variance == pytest.approx(variance)


def test_orthogonal_tanh_reaches_isometry_and_relu_cannot() -> None:
    """Variance falls with q* along the critical line; relu's is L at any scale."""
    tanh = [
        dynamical_isometry("tanh", 50, sigma_b=b, weights="orthogonal").variance
        for b in (0.0, 0.01, 0.1)
    ]
    assert tanh[0] == pytest.approx(0.0, abs=1e-9)
    assert tanh[0] < tanh[1] < tanh[2] < 50.0
    relu = dynamical_isometry("relu", 50, 2.0, weights="orthogonal")
    assert relu.relative_variance == pytest.approx(50.0)


def test_off_the_critical_line_the_mean_is_a_power_of_chi() -> None:
    found = dynamical_isometry("tanh", 10, 2.5361754**0.5)
    assert found.mean == pytest.approx(1.177807232**10, rel=1e-6)
    # from q = 1 on, the fixed point of this scale, nothing changes
    followed = dynamical_isometry("tanh", 10, 2.5361754**0.5, q=1.0)
    assert followed.mean == pytest.approx(found.mean, rel=1e-6)
    assert followed.variance == pytest.approx(found.variance, rel=1e-6)
    assert dynamical_isometry("tanh", 10, 0.0, 0.5).mean == 0.0


def _jacobians(
    name: str, weights: str, sigma_w: float, width: int, depth: int, replicas: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and relative variance of the squared singular values, (replicas,) each."""
    source = torch.Generator().manual_seed(5)
    x = torch.ones(replicas, width, 1)
    jacobian = torch.eye(width).expand(replicas, width, width)
    for i in range(depth):
        weight = torch.randn(replicas, width, width, generator=source)
        if weights == "orthogonal":
            q, r = torch.linalg.qr(weight)
            weight = q * r.diagonal(dim1=1, dim2=2).sign()[:, None]
        else:
            weight /= width**0.5
        if i:  # the first weight keeps q = 1
            weight *= sigma_w
        h = torch.bmm(weight, x).requires_grad_()
        activated = FUNCTIONS[name](h)
        (slope,) = torch.autograd.grad(activated.sum(), h)
        x = activated.detach()
        jacobian = slope * torch.bmm(weight, jacobian)
    gram = torch.bmm(jacobian, jacobian.mT).double().numpy()
    means = np.trace(gram, axis1=1, axis2=2) / width
    squares = np.square(gram).sum((1, 2)) / width
    return means, squares / means**2 - 1.0


@pytest.mark.parametrize("weights", ["gaussian", "orthogonal"])
@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_real_jacobians_have_these_singular_values(name: str, weights: str) -> None:
    """False alarms: 1e-4 for each of 8. Of width 144, bias below 3%."""
    depth, gain = 3, moments(name).mean_square ** -0.5
    means, variances = _jacobians(name, weights, gain, 144, depth, 48)
    predicted = dynamical_isometry(name, depth, gain, weights=weights, q=1.0)  # type: ignore[arg-type]
    # The first weight of the networks has sigma_w = 1.
    assert_mean_of_replicas(means, predicted.mean / gain**2, 1e-4, 0.15, "mean")
    assert_mean_of_replicas(variances, predicted.relative_variance, 1e-4, 0.15, "variance")


def test_bad_input_is_named() -> None:
    for depth in (0, 2.5, True):
        with pytest.raises(InputError, match="depth must be a whole number of at least 1"):
            dynamical_isometry("relu", depth)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="sigma_w must be"):
        dynamical_isometry("relu", 3, -1.0)
    with pytest.raises(InputError, match="relu is critical without biases only"):
        dynamical_isometry("relu", 3, sigma_b=0.1)
    with pytest.raises(UnknownNameError, match=r"'orthogonl'.*Did you mean orthogonal"):
        dynamical_isometry("relu", 3, weights="orthogonl")  # type: ignore[arg-type]
