"""Forecasts against thousands of real networks of finite width."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from scipy import stats

from fanin import fans, schemes
from fanin.errors import InputError
from fanin.theory.forecast import Forecast, signal_forecast
from fanin.theory.gradients import gradient_map
from fanin.theory.mean_field import variance_map
from tests.claims import assert_close, assert_mean_of, assert_p_value
from tests.theory.networks import Pass, plain_networks


def test_wide_limit_is_the_maps() -> None:
    found = signal_forecast([300] * 8, "tanh", 1.4, input_mean_square=0.5, sigma_b=0.2)
    first = 1.4**2 * 0.5 + 0.2**2
    q = variance_map("tanh", 1.4, 0.2).trajectory(first, 6)
    g = gradient_map("tanh", 1.4, 0.2).trajectory(first, 6)
    assert found.forward_rms == pytest.approx(np.sqrt(q))
    assert found.gradient_rms == pytest.approx(np.sqrt(g))


def test_schemes_numbers_and_layouts_say_the_same() -> None:
    widths = [784, 256, 256, 10]
    layouts = [fans.linear(shape) for shape in ((256, 784), (256, 256), (10, 256))]
    expected = signal_forecast(widths, "relu", 2**0.5)
    for scheme in (schemes.he_normal(), schemes.he_uniform(), [2**0.5] * 3):
        for layers in (widths, layouts):
            found = signal_forecast(layers, "relu", scheme)
            assert found.forward_rms == pytest.approx(math.sqrt(2.0))
            assert found.forward_high == pytest.approx(expected.forward_high)
            assert found.gradient_low == pytest.approx(expected.gradient_low)


def test_the_first_layer_reads_no_activation() -> None:
    """At gain 1 in the first layer q is 1 everywhere; the gain there doubles all."""
    kept = signal_forecast([100] * 4, "relu", [1.0, 2**0.5, 2**0.5])
    assert kept.forward_rms == pytest.approx(1.0)
    assert signal_forecast([100] * 4, "relu", 2**0.5).forward_rms == pytest.approx(2**0.5)


def test_widths_that_change_scale_the_gradient() -> None:
    found = signal_forecast([64, 512, 64, 512], "linear", schemes.xavier_normal())
    assert found.forward_rms**2 == pytest.approx(np.cumprod([2 * 64 / 576, 2 * 512 / 576, 2 / 9]))
    assert found.gradient_rms**2 == pytest.approx(
        [(2 * 512 / 576) * (2 * 64 / 576), 2 * 512 / 576, 1]
    )


def test_relu_noise_adds_up_and_that_of_tanh_does_not() -> None:
    """Methods: he relu, n = 256, 50 layers: log q has mean -.50 and variance .98."""
    relu = signal_forecast([256] * 51, "relu", 2**0.5)
    assert relu.forward_log_variance[-1] == pytest.approx((49 * 5 + 2) / 256)
    assert relu.forward_log_drift[-1] == pytest.approx(-(49 * 5 + 2) / 512)
    assert relu.forward_log_variance[-1] == pytest.approx(0.98, abs=0.02)
    assert relu.gradient_log_variance[0] == pytest.approx(49 * 5 / 256)
    linear = signal_forecast([256] * 51, "linear", 1.0)
    assert linear.forward_log_variance[-1] == pytest.approx(50 * 2 / 256)
    tanh = signal_forecast([256] * 51, "tanh", 1.5925374197)
    assert tanh.forward_log_variance[-1] < 3 / 256
    assert tanh.forward_log_variance[-1] == pytest.approx(tanh.forward_log_variance[20])


def _covered(found: Forecast, ran: Pass, widths: list[int]) -> None:
    """Every layer's 90% band holds 90% of the networks, within 4% and binomial noise.

    False alarms: 1e-4 a layer and side beyond the allowance of the first-order theory.
    """
    replicas = ran.signals[0].shape[0]
    for layer in range(len(widths) - 1):
        for what, seen, low, high in (
            ("forward", ran.forward(layer), found.forward_low, found.forward_high),
            ("gradient", ran.backward(layer), found.gradient_low, found.gradient_high),
        ):
            if what == "gradient" and layer == len(widths) - 2:
                continue
            rms = np.sqrt(seen)
            inside = int(np.sum((rms >= low[layer]) & (rms <= high[layer])))
            spread = stats.binom(replicas, 0.9)
            outer = 0.04 * replicas
            assert spread.ppf(1e-4) - outer <= inside <= spread.isf(1e-4) + outer, (
                f"{what} band of layer {layer} holds {inside} of {replicas}"
            )


@pytest.mark.parametrize(
    ("name", "sigma_w", "sigma_b"),
    [("relu", 2**0.5, 0.0), ("tanh", 1.59, 0.0), ("gelu", 1.53, 0.0), ("relu", 1.2, 0.4)],
)
def test_bands_hold_nine_tenths_of_real_networks(name: str, sigma_w: float, sigma_b: float) -> None:
    widths = [64] * 9
    ran = plain_networks(name, widths, sigma_w, sigma_b, replicas=1000, seed=10)
    _covered(signal_forecast(widths, name, sigma_w, 1.0, sigma_b), ran, widths)


def test_bands_follow_changing_widths() -> None:
    widths = [64, 32, 128, 32, 64, 16]
    ran = plain_networks("relu", widths, 2**0.5, replicas=1500, seed=11)
    _covered(signal_forecast(widths, "relu", 2**0.5), ran, widths)


@pytest.mark.parametrize(("name", "sigma_w"), [("relu", 2**0.5), ("tanh", 1.59)])
def test_variance_and_drift_of_the_logarithms_agree(name: str, sigma_w: float) -> None:
    """Within 12%, first order at n = 96 and the noise of 1,200 draws (standard error 4.1%)."""
    widths = [96] * 9
    ran = plain_networks(name, widths, sigma_w, replicas=1200, seed=12)
    found = signal_forecast(widths, name, sigma_w)
    for layer in (1, 4, 7):
        logs = np.log(ran.forward(layer) / found.forward_rms[layer] ** 2)
        assert_close(logs.var(), found.forward_log_variance[layer], 0.12, f"variance {layer}")
        error = math.sqrt(found.forward_log_variance[layer])
        assert_mean_of(logs, found.forward_log_drift[layer], error, 1e-4, f"drift {layer}")
    for layer in (0, 3):
        logs = np.log(ran.backward(layer) / found.gradient_rms[layer] ** 2)
        assert_close(logs.var(), found.gradient_log_variance[layer], 0.12, f"gradient {layer}")


def test_convolutions_obey_with_the_fans_of_their_layout() -> None:
    """Circular padding, real convolutions; false alarms: 1e-4."""
    layout = fans.conv((32, 32, 3, 3))
    found = signal_forecast([layout] * 4, "relu", schemes.he_normal())
    assert found.forward_rms == pytest.approx(math.sqrt(2.0))
    torch.manual_seed(13)
    logs = []
    with torch.no_grad():
        for _ in range(60):
            x = torch.randn(1, 32, 8, 8)
            x /= x.square().mean().sqrt()
            for i in range(4):
                conv = torch.nn.Conv2d(32, 32, 3, padding=1, padding_mode="circular", bias=False)
                torch.nn.init.normal_(conv.weight, std=schemes.he_normal().std(layout))
                x = conv(x if i == 0 else x.relu())
            logs.append(float(x.square().mean()))
    z = (np.mean(logs) - 2.0) / (np.std(logs, ddof=1) / math.sqrt(len(logs)))
    assert_p_value(2 * float(stats.norm.sf(abs(z))), 1e-4, "m2 after four convolutions")


def test_deep_networks_overflow_quietly_and_results_are_plain() -> None:
    found = signal_forecast([64] * 200, "relu", 64.0)
    assert found.forward_rms[-1] == math.inf or found.forward_rms[-1] > 1e200
    zero = signal_forecast([64] * 4, "tanh", 0.0)
    assert zero.forward_rms.tolist() == [0.0, 0.0, 0.0]
    assert zero.forward_high.tolist() == [0.0, 0.0, 0.0]
    table = signal_forecast([8, 4, 2], "gelu", 1.5).to_dict()
    rows = json.loads(json.dumps(table))["layers"]
    assert [row["layer"] for row in rows] == [1, 2]
    assert rows[0]["fan_in"] == 8
    assert rows[0]["forward_low"] < rows[0]["forward_rms"] < rows[0]["forward_high"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: signal_forecast([8], "relu", 1.0), "widths must hold at least 2 numbers"),
        (lambda: signal_forecast([8, 0], "relu", 1.0), r"widths\[1\] must be a whole number"),
        (lambda: signal_forecast([8, 2.5], "relu", 1.0), r"widths\[1\] must be a whole number"),
        (lambda: signal_forecast([True, 8], "relu", 1.0), r"widths\[0\] must be a whole number"),
        (lambda: signal_forecast("88", "relu", 1.0), "widths must be a sequence such as"),
        (lambda: signal_forecast(8, "relu", 1.0), "widths must be a sequence such as"),
        (lambda: signal_forecast([], "relu", 1.0), "widths must hold at least 2"),
        (lambda: signal_forecast([8, 8], "relu", -1.0), "scheme must be a finite number"),
        (lambda: signal_forecast([8, 8], "relu", "he"), "scheme must be a scheme such as"),
        (lambda: signal_forecast([8, 8], "relu", schemes.he_normal), "scheme must be a scheme"),
        (lambda: signal_forecast([8, 8], "relu", [1.0, 1.0]), "one for each of the 1, got 2"),
        (lambda: signal_forecast([8, 8], "relu", 1.0, 0.0), "input_mean_square is a mean"),
        (lambda: signal_forecast([8, 8], "relu", 1.0, 1.0, -1.0), "sigma_b must be"),
        (lambda: signal_forecast([8, 8], "relu", math.nan), "scheme must be a finite number"),
        (lambda: signal_forecast([fans.conv((0, 3, 3))], "relu", 1.0), "needs inputs and outputs"),
    ],
)
def test_bad_input_is_named(call: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()  # type: ignore[operator]
