"""Data in the shape and type that a model takes, and answers in the form that it gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import fanin
from fanin.errors import ModelError
from tests.ensembles.plain import train_plainly

GENERATOR = np.random.default_rng(0)
X = GENERATOR.standard_normal((80, 6)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)
TOKENS = GENERATOR.integers(0, 9, (80, 5))


def run(build, data, **options):  # type: ignore[no-untyped-def]
    settings = {"seeds": 2, "steps": 30, "learning_rates": [0.1], "batch_size": 16, **options}
    return fanin.compare(build, ["he_normal"], data=data, progress=False, **settings)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_data_take_the_type_of_the_parameters(dtype: torch.dtype) -> None:
    result = run(lambda: nn.Linear(6, 2).to(dtype), (X, Y))
    assert result.looped is None
    assert result.ranking[0].metric > 0.65


def test_doubles_train_as_floats_do() -> None:
    result = run(lambda: nn.Linear(6, 2).double(), (X, Y))
    floats = run(lambda: nn.Linear(6, 2), (X, Y))
    np.testing.assert_allclose(result.curves.loss, floats.curves.loss, rtol=1e-4)


def test_integers_may_be_looked_up() -> None:
    def build() -> nn.Module:
        return nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(20, 2))

    result = run(build, (TOKENS, (TOKENS[:, 0] > 4).astype(np.int64)), steps=120)
    assert result.looped is None
    assert result.ranking[0].metric > 0.7


def test_integers_are_numbers_to_a_model_that_multiplies() -> None:
    assert run(lambda: nn.Linear(5, 2), (TOKENS, (TOKENS[:, 0] > 4).astype(np.int64))).runs


class _Flat(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).squeeze(-1)


@pytest.mark.parametrize("targets", [X[:, 0], X[:, :1]], ids=["(n,)", "(n, 1)"])
def test_a_single_real_output_may_be_flat(targets: np.ndarray) -> None:
    flat = run(_Flat, (X, targets))
    column = run(lambda: nn.Sequential(nn.Linear(6, 1)), (X, targets))
    assert flat.ranking[0].metric > 0.9
    assert flat.looped is column.looped is None


def test_class_labels_as_floats_are_explained() -> None:
    with pytest.raises(ModelError, match="Integer labels would make it a classification"):
        run(lambda: nn.Linear(6, 2), (X, Y.astype(np.float32)))


def test_short_floats_are_taken_as_data() -> None:
    assert run(lambda: nn.Linear(6, 2), (torch.from_numpy(X).bfloat16(), Y)).runs


def test_attention_with_dropout_is_batched() -> None:
    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.TransformerEncoderLayer(6, 2, 8, batch_first=True)
            self.head = nn.Linear(6, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.layer(x.unsqueeze(1)).squeeze(1))

    result = fanin.compare(
        Attending, ["default"], data=(X, Y), seeds=2, steps=4, learning_rates=[0.1], progress=False
    )
    assert result.looped is None


def test_randomness_that_cannot_be_switched_off_is_named() -> None:
    class Noisy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(6, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(x + 0.1 * torch.randn_like(x))

    result = run(Noisy, (X, Y))
    assert result.looped is not None
    assert "draws random numbers" in result.looped
    again = run(Noisy, (X, Y))
    np.testing.assert_array_equal(result.curves.loss, again.curves.loss)


def test_arrays_train_as_a_plain_loop_does() -> None:
    result = run(lambda: nn.Linear(6, 2), (X, Y), seeds=1)
    plain = train_plainly(
        lambda: nn.Linear(6, 2), "he_normal", seed=0, rate=0.1, steps=30, data=(X, Y), batch_size=16
    )
    np.testing.assert_allclose(result.curves.loss[0], plain.losses, rtol=1e-4)
