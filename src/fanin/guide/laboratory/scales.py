"""Recipes that are nothing but a scale: a gain, or the two sigmas of mean-field theory."""

from __future__ import annotations

from fanin import schemes
from fanin.schemes import Scheme


def of_gain(gain: float, first: str = "0.weight") -> dict[str, Scheme]:
    """Weights N(0, gain^2 / fan_in), the first without a gain: data have passed no activation.

    Args:
        gain: of the activation before every other weight.
        first: name of the first weight.
    """
    return {
        first: schemes.variance_scaling(1.0, distribution="normal"),
        "*": schemes.variance_scaling(gain**2, distribution="normal"),
    }


def of_sigmas(sigma_w: float, sigma_b: float) -> dict[str, Scheme]:
    """Weights N(0, sigma_w^2 / fan_in), biases N(0, sigma_b^2)."""
    return {
        "*.weight": schemes.variance_scaling(sigma_w**2, distribution="normal"),
        "*.bias": schemes.normal(std=sigma_b),
    }
