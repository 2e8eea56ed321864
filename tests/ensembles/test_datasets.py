"""Data sets: what is held out, how they are scaled, and one clear error for each defect."""

from __future__ import annotations

import gzip
import math
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fanin.ensembles import load
from fanin.errors import DataError, UnknownNameError
from tests.claims import assert_close
from tests.recipes.state import untouched_generators

INSTALLED = Path("/usr/share/datasets/fashion-mnist")


def _rows(part: torch.Tensor) -> set[bytes]:
    return {row.tobytes() for row in part.numpy()}


def test_digits_are_1797_of_which_450_are_held_out() -> None:
    data = load("digits")
    assert data.x_train.shape == (1347, 64)
    assert data.x_test.shape == (450, 64)
    assert data.y_train.shape == (1347,)
    assert data.y_test.shape == (450,)
    assert data.shapes == ((64,), (1, 8, 8))
    assert data.classes == 10
    assert data.x_train.dtype is data.x_test.dtype is torch.float32
    assert data.y_train.dtype is data.y_test.dtype is torch.int64
    assert_close(data.uninformed_loss, math.log(10), 1e-12, "loss of a guess")


def test_the_two_parts_of_digits_are_the_whole_scaled_by_one_mean_and_deviation() -> None:
    from sklearn.datasets import load_digits

    data, whole = load("digits"), load_digits()
    train = data.x_train.numpy().astype(np.float64)
    assert abs(train.mean()) < 1e-6, f"mean of the training part {train.mean():.2e}"
    assert_close(float(train.std()), 1.0, 1e-6, "standard deviation of the training part")
    # Grey levels run from 0 to 16. One factor and shift for all pixels give whole ones back.
    scaled = torch.cat([data.x_train, data.x_test]).double()
    low, high = float(data.x_train.min()), float(data.x_train.max())
    levels = (scaled - low) / (high - low) * 16
    off = float((levels - levels.round()).abs().max())
    assert off < 1e-4, f"grey levels are up to {off:.1e} off whole numbers"
    answers = torch.cat([data.y_train, data.y_test]).tolist()
    got = zip(levels.round().int().tolist(), answers, strict=True)
    expected = zip(whole.data.astype(int).tolist(), whole.target.tolist(), strict=True)
    assert sorted(got) == sorted(expected)


def test_digits_are_disjoint_and_each_class_is_held_out_in_proportion() -> None:
    data = load("digits")
    assert not _rows(data.x_train) & _rows(data.x_test)
    for digit in range(10):
        held = int((data.y_test == digit).sum())
        share = held / (held + int((data.y_train == digit).sum()))
        assert abs(share - 0.25) < 0.006, f"{share:.3f} of the {digit}s are held out"


def test_the_split_is_the_same_at_every_call_and_touches_no_generator() -> None:
    np.random.seed(3)  # noqa: NPY002 - the global one is what is tested
    with untouched_generators():
        first = load("digits")
    np.random.seed(4)  # noqa: NPY002 - the global one is what is tested
    again = load("digits")
    assert torch.equal(first.x_test, again.x_test)
    assert torch.equal(first.y_train, again.y_train)


def test_a_shape_changes_the_form_and_no_number() -> None:
    data = load("digits")
    images = data.in_form((1, 8, 8), torch.float32)
    assert images.x_train.shape == (1347, 1, 8, 8)
    assert images.shapes == ((1, 8, 8),)
    assert torch.equal(images.x_test.flatten(1), data.x_test)
    assert torch.equal(images.y_train, data.y_train)


def test_fashion_mnist_as_installed_has_60000_and_10000_images() -> None:
    data = load("fashion-mnist")
    assert data.x_train.shape == (60000, 784)
    assert data.x_test.shape == (10000, 784)
    assert data.shapes == ((784,), (1, 28, 28))
    assert torch.bincount(data.y_train).tolist() == [6000] * 10
    assert torch.bincount(data.y_test).tolist() == [1000] * 10
    mean, std = (float(f(data.x_train, dtype=torch.float64)) for f in (torch.mean, _std))
    assert abs(mean) < 1e-6, f"mean of the training part {mean:.2e}"
    assert_close(std, 1.0, 1e-6, "standard deviation of the training part")
    # 72.94 and 90.02 are the published mean and standard deviation of the grey levels.
    low, high = float(data.x_train.min()), float(data.x_train.max())
    assert_close(low, -72.94 / 90.02, 1e-3, "black")
    assert_close(high, (255 - 72.94) / 90.02, 1e-3, "white")
    raw = gzip.decompress((INSTALLED / "t10k-labels-idx1-ubyte.gz").read_bytes())[8:]
    assert data.y_test.tolist() == list(raw)


def _std(x: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return x.to(dtype).std(correction=0)


def _idx(values: NDArray[np.uint8]) -> bytes:
    header = struct.pack(f">{1 + values.ndim}I", 0x800 + values.ndim, *values.shape)
    return header + values.tobytes()


Files = dict[str, bytes]


def _files(train: int = 40, test: int = 20, side: int = 28) -> Files:
    random = np.random.default_rng(0)
    files = {}
    for part, count in (("train", train), ("t10k", test)):
        images = random.integers(0, 256, (count, side, side), dtype=np.uint8)
        files[f"{part}-images-idx3-ubyte"] = _idx(images)
        files[f"{part}-labels-idx1-ubyte"] = _idx(np.arange(count, dtype=np.uint8) % 10)
    return files


def _written(folder: Path, files: Files) -> str:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return f"fashion-mnist:{folder}"


@pytest.mark.parametrize("packed", [False, True])
def test_files_in_a_folder_are_read_plain_or_packed(tmp_path: Path, packed: bool) -> None:
    files = _files()
    written = {f"{n}.gz": gzip.compress(c) for n, c in files.items()} if packed else files
    data = load(_written(tmp_path, written))
    assert data.x_train.shape == (40, 784)
    assert data.y_test.tolist() == [i % 10 for i in range(20)]
    pixels = np.frombuffer(files["train-images-idx3-ubyte"][16:], np.uint8).reshape(40, 784)
    other = np.frombuffer(files["t10k-images-idx3-ubyte"][16:], np.uint8).reshape(20, 784)
    # The held-out part is scaled by the training part's mean and standard deviation.
    for got, raw in ((data.x_train, pixels), (data.x_test, other)):
        off = np.abs(got.numpy() - (raw - pixels.mean()) / pixels.std()).max()
        assert off < 1e-5, f"standardised values are off by {off:.1e}"


def test_the_folder_is_taken_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _written(tmp_path, _files(train=30))
    monkeypatch.setenv("FANIN_FASHION_MNIST", str(tmp_path))
    assert len(load("fashion-mnist").x_train) == 30


@pytest.mark.parametrize("absent", sorted(_files()))
def test_an_absent_file_is_named_with_the_way_to_get_it(tmp_path: Path, absent: str) -> None:
    files = _files()
    del files[absent]
    with pytest.raises(DataError) as caught:
        load(_written(tmp_path, files))
    message = str(caught.value)
    for part in (absent, str(tmp_path), "apt-get install dataset-fashion-mnist",
                 "FANIN_FASHION_MNIST", "fashion-mnist:FOLDER"):  # fmt: skip
        assert part in message, f"no {part!r} in: {message}"


def test_an_absent_folder_is_named_with_the_way_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere(.|\n)*apt-get install"):
        load(f"fashion-mnist:{tmp_path / 'nowhere'}")


IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def _spoilt_stream(content: bytes) -> bytes:
    """A gzip file whose compressed part is nonsense."""
    return content[:10] + b"\xff" * (len(content) - 10)


DAMAGED: dict[str, Callable[[Files], Files]] = {
    "empty": lambda f: {IMAGES: b""},
    "cut within the magic number": lambda f: {IMAGES: f[IMAGES][:3]},
    "cut within the sizes": lambda f: {IMAGES: f[IMAGES][:10]},
    "cut after the sizes": lambda f: {IMAGES: f[IMAGES][:16]},
    "cut within the values": lambda f: {IMAGES: f[IMAGES][:-1]},
    "too long": lambda f: {IMAGES: f[IMAGES] + b"x"},
    "labels in the place of images": lambda f: {IMAGES: f[LABELS]},
    "images in the place of labels": lambda f: {LABELS: f[IMAGES]},
    "another type of values": lambda f: {IMAGES: b"\0\0\x0d\3" + f[IMAGES][4:]},
    "text": lambda f: {IMAGES: b"<html>404 not found</html>"},
    "another size of images": lambda f: _files(side=20),
    "fewer labels than images": lambda f: {LABELS: _idx(np.zeros(39, np.uint8))},
    "more labels than images": lambda f: {LABELS: _idx(np.zeros(41, np.uint8))},
    "no image": lambda f: {
        IMAGES: _idx(np.zeros((0, 28, 28), np.uint8)),
        LABELS: _idx(np.zeros(0, np.uint8)),
    },
    "no gzip": lambda f: {f"{IMAGES}.gz": f[IMAGES]},
    "gzip cut short": lambda f: {f"{IMAGES}.gz": gzip.compress(f[IMAGES])[:200]},
    "gzip of nonsense": lambda f: {f"{IMAGES}.gz": _spoilt_stream(gzip.compress(f[IMAGES]))},
    "gzip of a wrong sum": lambda f: {f"{IMAGES}.gz": gzip.compress(f[IMAGES])[:-8] + b"\1" * 8},
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_is_one_clear_error_with_its_name(tmp_path: Path, damage: str) -> None:
    files = _files()
    spoilt = DAMAGED[damage](files)
    for name in spoilt:
        files.pop(name.removesuffix(".gz"))
    name = next(iter(spoilt))
    with pytest.raises(DataError) as caught:
        load(_written(tmp_path, files | spoilt))
    assert "fashion-mnist" in str(caught.value)
    assert name in str(caught.value) or "labels" in str(caught.value)


def _arrays(samples: int = 200, features: int = 3) -> tuple[NDArray, NDArray]:
    random = np.random.default_rng(1)
    return random.normal(size=(samples, features)), random.integers(0, 4, samples)


def test_arrays_with_labels_are_a_classification_with_a_quarter_held_out() -> None:
    x, y = _arrays()
    data = load((x, y))
    assert (data.name, data.classes, data.shapes) == ("arrays", 4, ((3,),))
    assert (len(data.x_train), len(data.x_test)) == (150, 50)
    assert data.y_train.dtype is torch.int64
    assert data.x_train.dtype is torch.float32
    samples = torch.cat([data.x_train, data.x_test]).tolist()
    answers = torch.cat([data.y_train, data.y_test]).tolist()
    given = zip(x.astype(np.float32).tolist(), y.tolist(), strict=True)
    assert sorted(zip(samples, answers, strict=True)) == sorted(given)
    for label in range(4):
        held = int((data.y_test == label).sum())
        assert abs(held - (y == label).sum() / 4) <= 1, f"{held} of label {label} held out"


def test_labels_are_counted_from_zero_to_the_largest() -> None:
    x, _ = _arrays()
    assert load((x, np.arange(200) % 2 * 5)).classes == 6
    assert load((x, np.arange(200) % 2 == 0)).classes == 2


def test_a_label_that_occurs_once_is_no_hindrance() -> None:
    x, y = _arrays()
    y[0] = 9
    data = load((x, y))
    assert (data.classes, len(data.y_test)) == (10, 50)


@pytest.mark.parametrize("shape", [(200,), (200, 1), (200, 3)])
def test_arrays_with_real_targets_are_a_regression(shape: tuple[int, ...]) -> None:
    x, _ = _arrays()
    y = np.random.default_rng(2).normal(2.0, 3.0, shape)
    data = load((x, y))
    outputs = 1 if len(shape) == 1 else shape[1]
    assert data.classes is None
    assert data.y_train.shape == (150, outputs)
    assert data.y_test.shape == (50, outputs)
    assert data.y_train.dtype is torch.float32
    variance = float(data.y_train.numpy().astype(np.float64).var(0).mean())
    assert_close(data.uninformed_loss, variance, 1e-5, "loss of a guess")


def test_samples_of_any_shape_keep_it() -> None:
    x = np.random.default_rng(0).normal(size=(40, 2, 5, 4))
    data = load((x, np.arange(40) % 2))
    assert data.shapes == ((2, 5, 4),)
    assert data.x_test.shape == (10, 2, 5, 4)


def test_lists_and_tensors_are_arrays_too() -> None:
    x, y = _arrays()
    expected = load((x, y))
    for pair in ((x.tolist(), y.tolist()), (torch.from_numpy(x), torch.from_numpy(y)), [x, y]):
        got = load(pair)  # type: ignore[arg-type]
        assert torch.equal(got.x_train, expected.x_train)
        assert torch.equal(got.y_test, expected.y_test)


def test_arrays_are_not_changed_and_not_shared() -> None:
    x, y = _arrays()
    x = x.astype(np.float32)
    x_before, y_before = x.copy(), y.copy()
    with untouched_generators():
        data = load((x, y))
    data.x_train.zero_()
    data.x_test.zero_()
    data.y_train.zero_()
    assert np.array_equal(x, x_before)
    assert np.array_equal(y, y_before)


def _x(samples: int = 40) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(samples, 3)).astype(np.float32)


def _one_hot_with_a_rare_row() -> NDArray[np.int64]:
    hot = np.eye(2, dtype=np.int64)[np.arange(40) % 2]
    hot[0] = 1
    return hot


Y = np.arange(40) % 2

BAD_ARRAYS: dict[str, tuple[object, object, str]] = {
    "other lengths": (_x(), Y[:39], r"\(40, 3\) and \(39,\)"),
    "x of one axis": (_x()[:, 0], Y, r"shape \(n, \.\.\.\)"),
    "x a number": (3.0, Y, r"shape \(n, \.\.\.\)"),
    "y a number": (_x(), 3, r"\(\)"),
    "y missing": (_x(), None, r"\(\)|numbers"),
    "too few samples": (_x(7), Y[:7], "at least 8"),
    "no samples": (_x(0), Y[:0], "at least 8"),
    "x of words": ([["a", "b"]] * 40, Y, "numbers"),
    "x ragged": ([[1.0], [1.0, 2.0]] * 20, Y, "numbers"),
    "y of words": (_x(), np.array(["a", "b"] * 20), "numbers"),
    "y of nothing": (_x(), [None] * 40, "finite|numbers"),
    "y complex": (_x(), np.ones(40) * 1j, "numbers"),
    "NaN in x": (_x() * np.nan, Y, "finite"),
    "infinity in x": (np.where(_x() > 1, np.inf, _x()), Y, "finite"),
    "x beyond float32": (_x().astype(np.float64) * 1e300, Y, "finite"),
    "NaN in y": (_x(), np.where(Y > 0, np.nan, 1.0), "finite"),
    "negative labels": (_x(), Y - 1, "count from 0, got -1"),
    "one-hot labels": (_x(), np.eye(2, dtype=np.int64)[Y], r"labels must have shape \(n,\)"),
    "labels of two axes": (_x(), _one_hot_with_a_rare_row(), r"labels must have shape \(n,\)"),
}


@pytest.mark.parametrize("defect", BAD_ARRAYS)
def test_arrays_that_do_not_fit_are_one_clear_error(defect: str) -> None:
    x, y, message = BAD_ARRAYS[defect]
    with pytest.raises(DataError, match=message):
        load((x, y))


@pytest.mark.parametrize("data", [None, 3, {"x": 1}, (1,), (1, 2, 3), np.zeros((2, 10, 3))])
def test_what_is_no_data_is_refused_with_what_is(data: object) -> None:
    with pytest.raises(DataError, match=f"digits, fashion-mnist.*got {type(data).__name__}"):
        load(data)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["digit", "fashion_mnist", "digits:folder"])
def test_a_misspelt_data_set_is_refused_with_the_nearest_name(name: str) -> None:
    with pytest.raises(UnknownNameError, match=r"Did you mean (digits|fashion-mnist)"):
        load(name)


def test_tensors_are_taken_whether_or_not_they_require_gradients() -> None:
    x = torch.ones(40, 3, requires_grad=True)
    assert load((x, Y)).x_train.shape == (30, 3)
    assert x.requires_grad
