"""``fanin gain`` and ``fanin theory``, as a user runs them."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from fanin import theory
from fanin.report.theories import LAYERS, WIDTH, measured


def test_gain_of_names_and_of_a_lambda(fanin_here):
    text = "lambda z: z * torch.sigmoid(z)"
    shown = fanin_here("gain", "relu", "tanh", text, "--json")
    assert shown.returncode == 0, shown.stderr
    gains = {row["activation"]: row["gain"] for row in json.loads(shown.stdout)["gains"]}
    assert list(gains) == ["relu", "tanh", text]
    assert math.isclose(gains["relu"], math.sqrt(2), rel_tol=1e-12)
    assert math.isclose(gains["tanh"], 1.5925374197, rel_tol=1e-10)
    assert math.isclose(gains[text], 1.6765324703, rel_tol=1e-10)


def test_the_table_of_gains_fits_80_columns_and_names_what_torch_says(fanin_here):
    shown = fanin_here("gain")
    assert shown.returncode == 0, shown.stderr
    assert max(len(line) for line in shown.stdout.splitlines()) <= 80
    assert "1.592537" in shown.stdout
    assert "1.666" in shown.stdout
    listed = json.loads(fanin_here("gain", "--json").stdout)
    assert listed


def test_theory_says_what_a_scale_leads_to(fanin_here):
    shown = fanin_here("theory", "tanh", "--sigma-w", "1.7320508", "--sigma-b", "0.2236068")
    assert shown.returncode == 0, shown.stderr
    assert "chaotic: the second moment settles at 1.428" in shown.stdout
    assert max(len(line) for line in shown.stdout.splitlines()) <= 80
    arguments = ("theory", "tanh", "--sigma-w", str(3**0.5), "--sigma-b", str(0.05**0.5))
    facts = json.loads(fanin_here(*arguments, "--json").stdout)["facts"]
    # Poole et al., 2016; the numbers to nine digits by high-precision quadrature.
    assert math.isclose(facts["q"]["value"], 1.428008462, rel_tol=1e-8)
    assert math.isclose(facts["chi_1"]["value"], 1.208934424, rel_tol=1e-8)
    assert math.isclose(facts["c"]["value"], 0.29931764, rel_tol=1e-6)


def test_what_is_infinite_is_null_in_json_with_its_word(fanin_here):
    facts = json.loads(fanin_here("theory", "relu", "--json").stdout)["facts"]
    assert facts["xi_gradient"] == {
        "value": None,
        "shown": "infinite",
        "meaning": "layers until gradients change e-fold",
    }


@pytest.mark.parametrize("activation", ["gelu", "sigmoid", "selu", "lambda z: z + z ** 3"])
def test_theory_of_any_activation(fanin_here, activation):
    shown = fanin_here("theory", activation)
    assert shown.returncode == 0, shown.stderr
    assert "gain" in shown.stdout


def test_the_page_holds_facts_and_pictures_and_its_command(fanin_here, folder):
    shown = fanin_here("theory", "tanh", "--sigma-w", "1.3", "--html", "page.html")
    assert shown.returncode == 0, shown.stderr
    page = (folder / "page.html").read_text()
    assert page.count("<svg") == 3
    assert "<script" not in page
    assert "fanin theory tanh --sigma-w 1.3 --html page.html" in page
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page


def test_the_page_of_gains(fanin_here, folder):
    text = "lambda z: z * (z > 0) + 0 * len('<script>')"
    shown = fanin_here("gain", "relu", text, "--html", "gains.html")
    assert shown.returncode == 0, shown.stderr
    page = (folder / "gains.html").read_text()
    assert "1.4142135624" in page
    assert "1.6666666667" in page
    assert "<script" not in page


def test_measured_networks_lie_in_the_band_of_the_forecast():
    forward, gradient = measured("relu", 2**0.5, 0.0)
    assert forward.shape == gradient.shape == (3, LAYERS)
    forecast = theory.signal_forecast([WIDTH] * (LAYERS + 1), "relu", 2**0.5)
    inside = (forward > forecast.forward_low / 2) & (forward < forecast.forward_high * 2)
    assert inside.all()
    assert np.all(gradient[:, -1] == 1.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gain", "gleu"], "Did you mean"),
        (["gain", "lambda x:"], "is no Python"),
        (["gain", "softmax"], "softmax"),
        (["gain", "lambda x: torch.exp(x ** 2)"], "is infinite"),
        (["theory", "tanh", "--sigma-w", "-1"], "sigma_w"),
        (["theory", "tanh", "--sigma-b", "-1"], "sigma_b"),
        (["theory", "tanh", "--html", "no/folder/a.html"], "no/folder"),
    ],
)
def test_a_mistake_is_one_message_and_status_2(fanin_here, arguments, message):
    shown = fanin_here(*arguments)
    assert shown.returncode == 2
    assert message in " ".join(shown.stderr.split())
    assert "Traceback" not in shown.stderr
