"""Pictures show what the functions say, and are written without a display."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

from fanin.errors import InputError, OutputError
from fanin.theory.correlations import correlation_map
from fanin.theory.critical import edge_of_chaos
from fanin.theory.forecast import signal_forecast
from fanin.theory.phases import chi_1
from fanin.theory.pictures import (
    forecast_diagram,
    map_diagram,
    phase_diagram,
    phase_grid,
)

WEIGHTS, BIASES = [0.5, 0.9, 1.2, 1.7, 2.4, 3.0], [0.0, 0.1, 0.224, 0.7, 1.0]


@pytest.mark.parametrize("activation", ["tanh", "relu", "erf", "sigmoid", "selu", "sin"])
def test_the_grid_is_chi_1_at_each_of_its_points(activation):
    grid = phase_grid(activation, WEIGHTS, BIASES)
    for i, sigma_b in enumerate(BIASES):
        for j, sigma_w in enumerate(WEIGHTS):
            expected = chi_1(activation, sigma_w, sigma_b)
            assert math.isclose(grid.chi_1[i, j], expected, rel_tol=5e-3), (sigma_w, sigma_b)


def test_gelu_beyond_its_edge_has_no_bound_and_the_gradient_factor_of_large_signals():
    grid = phase_grid("gelu", [3.0], [0.0])
    assert np.isinf(grid.q[0, 0])
    assert math.isclose(grid.chi_1[0, 0], 9.0 / 2, rel_tol=1e-3)


def test_on_the_edge_the_depth_is_without_bound():
    point = edge_of_chaos("tanh").at(0.3)
    grid = phase_grid("tanh", [point.sigma_w - 0.3, point.sigma_w, point.sigma_w + 0.3], [0.3])
    assert grid.depth[0, 1] > 20 * max(grid.depth[0, 0], grid.depth[0, 2])


PICTURES = {
    "phases": lambda: phase_diagram("tanh", mark=(1.5, 0.2)),
    "phases of relu, whose edge is a point": lambda: phase_diagram("relu"),
    "phases of sigmoid": lambda: phase_diagram("sigmoid"),
    "maps": lambda: map_diagram("tanh", 1.7, 0.2),
    "maps without a bound": lambda: map_diagram("relu", 2.0),
    "maps of a signal that vanishes": lambda: map_diagram("relu", 1.0),
    "forecast": lambda: forecast_diagram(signal_forecast([64] * 9, "relu", 2**0.5)),
    "forecast and measurement": lambda: forecast_diagram(
        signal_forecast([64] * 9, "relu", 2**0.5),
        forward_rms=np.ones((3, 8)),
        gradient_rms=np.ones(8),
    ),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_becomes_svg_for_a_page_and_a_notebook_and_a_file(name, tmp_path):
    picture = PICTURES[name]()
    svg = picture.svg()
    assert svg.startswith('<svg role="img" aria-label="')
    assert "currentColor" in svg
    assert not re.search("#010203|#040506", svg)
    assert "<script" not in svg
    assert "currentColor" not in picture._repr_svg_()
    for suffix, begins in ((".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")):
        path = picture.savefig(tmp_path / f"picture{suffix}")
        assert Path(path).read_bytes().startswith(begins)


def test_a_picture_draws_the_same_svg_again():
    assert phase_diagram("tanh").svg() == phase_diagram("tanh").svg()


def test_the_map_shows_the_fixed_points_that_attract_filled_and_others_hollow():
    points = correlation_map("tanh", 3**0.5, 0.05**0.5).fixed_points()
    assert [point.stable for point in points] == [True, False]
    svg = map_diagram("tanh", 3**0.5, 0.05**0.5).svg()
    assert svg.count("fill: #d55e00") >= 1
    assert "fill-opacity: 0" in svg or "fill: none; stroke: #d55e00" in svg


def test_a_name_of_markup_stays_text():
    def nasty(z):
        return np.tanh(z)

    nasty.__name__ = '<script>"&'
    picture = phase_diagram(nasty)
    assert "<script" not in picture.svg()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: phase_diagram("tanh", sigma_w=(2.0, 1.0)), "sigma_w must be a range"),
        (lambda: phase_diagram("tanh", sigma_b=(-1.0, 1.0)), "sigma_b must be a range"),
        (lambda: phase_grid("tanh", [1.0, math.nan], [0.0]), "sigma_w"),
        (lambda: phase_grid("tanh", [1.0], [-1.0]), "sigma_b"),
        (
            lambda: forecast_diagram(signal_forecast([4, 4], "relu", 1.0), forward_rms=[1.0, 2.0]),
            "the forecast has 1 layers",
        ),
    ],
)
def test_what_cannot_be_drawn_is_named(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(OutputError, match="cannot write the picture"):
        phase_diagram("tanh").savefig(tmp_path / "no folder" / "a.png")
    with pytest.raises(OutputError, match="cannot write the picture"):
        phase_diagram("tanh").savefig(tmp_path / "picture.xyz")
