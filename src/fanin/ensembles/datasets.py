"""Real data for comparisons, with a held-out part that no training sees."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fanin.ensembles.isolation import borrowed
from fanin.errors import DataError, UnknownNameError

NAMES = ("digits", "fashion-mnist")
_FASHION_FOLDER = Path("/usr/share/datasets/fashion-mnist")
_FASHION_VARIABLE = "FANIN_FASHION_MNIST"
_FEWEST_SAMPLES = 8
# NumPy knows no bfloat16.
_SHORT_FLOATS = (torch.bfloat16, torch.float16)
_IDX_UBYTE = {1: 0x00000801, 3: 0x00000803}

DataLike = str | tuple[Any, Any]
"""A name, ``"fashion-mnist:FOLDER"``, or a pair of arrays (x, y)."""
_Parts = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Dataset:
    """Samples and their answers, cut once into a part to train on and a part held out.

    Args:
        name: for reports.
        x_train, x_test: float32, one row a sample; of the named data sets standardised with
            the mean and standard deviation of the training part, all features alike.
        y_train, y_test: int64 labels of shape (n,), or float32 targets of shape (n, k).
        shapes: forms in which one sample may be handed to a model, the first preferred.
        classes: number of labels, or None for regression.
        whole: whether the inputs are integers, which a model may want to look up.
    """

    name: str
    x_train: Tensor
    y_train: Tensor
    x_test: Tensor
    y_test: Tensor
    shapes: tuple[tuple[int, ...], ...]
    classes: int | None
    whole: bool = False

    @property
    def uninformed_loss(self) -> float:
        """The loss of the best guess without input: cross entropy ln C, or the variance."""
        if self.classes is None:
            return float((self.y_train - self.y_train.mean(0)).square().mean())
        return math.log(self.classes)

    @property
    def uninformed_metric(self) -> float:
        """What that guess reaches on held-out data: the share of the commonest label, or R^2 0."""
        if self.classes is None:
            return 0.0
        return float((self.y_test == self.y_train.mode().values).float().mean())

    def in_form(self, shape: tuple[int, ...], dtype: torch.dtype) -> Dataset:
        """The same samples, each in this shape and type; real targets in that type too."""
        targets = dtype if self.classes is None and dtype.is_floating_point else None
        return replace(
            self,
            x_train=self.x_train.reshape(-1, *shape).to(dtype),
            y_train=self.y_train.to(targets or self.y_train.dtype),
            x_test=self.x_test.reshape(-1, *shape).to(dtype),
            y_test=self.y_test.to(targets or self.y_test.dtype),
            shapes=(shape,),
        )


def load(data: DataLike) -> Dataset:
    """A data set by name, or from a pair of arrays.

    Args:
        data: ``"digits"`` (1,797 images of 8 x 8 that scikit-learn ships; 450 held out),
            ``"fashion-mnist"`` (70,000 images of 28 x 28; 10,000 held out), the latter with
            ``":FOLDER"`` behind it or FANIN_FASHION_MNIST set where the files lie elsewhere;
            or (x, y): x of shape (n, ...), y integer labels or real targets of length n.
            A quarter of given arrays is held out.

    Raises:
        UnknownNameError: no data set bears the name.
        DataError: files absent or damaged, or arrays that do not fit.
    """
    # scikit-learn and what it imports draw from Python's generator.
    with borrowed(0, "data"):
        return _load(data)


def _load(data: DataLike) -> Dataset:
    if isinstance(data, str):
        name, _, folder = data.partition(":")
        name = name.lower()
        if name == "digits" and not folder:
            return _digits()
        if name == "fashion-mnist":
            return _fashion_mnist(folder)
        raise UnknownNameError("data set", data, NAMES)
    if isinstance(data, Sequence) and len(data) == 2:
        return _from_arrays(*data)
    raise DataError(
        f"data must be one of {', '.join(NAMES)} or a pair of arrays (x, y), "
        f"got {type(data).__name__}"
    )


def _digits() -> Dataset:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return _standardised("digits", _split(bunch.data, bunch.target), ((64,), (1, 8, 8)))


def _split(x: NDArray[Any], y: NDArray[Any]) -> _Parts:
    """A quarter held out, the same for every call; classes in proportion where possible."""
    from sklearn.model_selection import train_test_split

    labels, counts = np.unique(y, return_counts=True) if y.dtype.kind in "iu" else (y, np.zeros(1))
    stratify = y if counts.min() >= 2 and len(labels) <= len(y) // 4 else None
    x_train, x_test, y_train, y_test = train_test_split(
        x, y, test_size=0.25, random_state=0, stratify=stratify
    )
    return x_train, y_train, x_test, y_test


def _standardised(name: str, parts: _Parts, shapes: tuple[tuple[int, ...], ...]) -> Dataset:
    x_train, y_train, x_test, y_test = parts
    mean = float(x_train.mean(dtype=np.float64))
    std = float(x_train.std(dtype=np.float64)) or 1.0
    x = [
        torch.from_numpy(((part - mean) / std).astype(np.float32)).reshape(-1, *shapes[0])
        for part in (x_train, x_test)
    ]
    y = [torch.from_numpy(part.astype(np.int64)) for part in (y_train, y_test)]
    classes = int(max(y_train.max(), y_test.max())) + 1
    return Dataset(name, x[0], y[0], x[1], y[1], shapes, classes)


def _fashion_mnist(folder: str) -> Dataset:
    where = Path(folder or os.environ.get(_FASHION_VARIABLE) or _FASHION_FOLDER)
    x_train, y_train, x_test, y_test = (
        _read_idx(where, f"{part}-{kind}-idx{axes}-ubyte", axes)
        for part in ("train", "t10k")
        for kind, axes in (("images", 3), ("labels", 1))
    )
    for images, labels in ((x_train, y_train), (x_test, y_test)):
        if len(images) != len(labels):
            raise DataError(
                f"fashion-mnist: {where} has {len(images)} images and {len(labels)} labels"
            )
    return _standardised("fashion-mnist", (x_train, y_train, x_test, y_test), ((784,), (1, 28, 28)))


def _read_idx(folder: Path, name: str, axes: int) -> NDArray[np.uint8]:
    """One IDX file of bytes, plain or gzipped: magic number, sizes (big-endian), then values."""
    found = next((p for p in (folder / name, folder / f"{name}.gz") if p.is_file()), None)
    if found is None:
        raise DataError(
            f"fashion-mnist: there is no {name} (or {name}.gz) in {folder}.\n"
            "  Debian and Ubuntu:  apt-get install dataset-fashion-mnist\n"
            f"  elsewhere: put the four IDX files into a folder and set {_FASHION_VARIABLE} to it, "
            "or name it: fashion-mnist:FOLDER"
        )
    try:
        content = gzip.decompress(found.read_bytes()) if found.suffix else found.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"fashion-mnist: {found} cannot be read: {error}") from None
    size = 4 * (axes + 1)
    header = [int(n) for n in np.frombuffer(content[: len(content[:size]) // 4 * 4], ">u4")]
    if len(header) != axes + 1 or header[0] != _IDX_UBYTE[axes]:
        raise DataError(f"fashion-mnist: {found} is no IDX file of {axes} axes of bytes")
    values = np.frombuffer(content, np.uint8, offset=size)
    if values.size != math.prod(header[1:]) or not values.size:
        raise DataError(
            f"fashion-mnist: {found} holds {values.size:,} values where its header says "
            f"{' x '.join(map(str, header[1:]))}"
        )
    if axes == 3 and header[2:] != [28, 28]:
        raise DataError(
            f"fashion-mnist: images of {found} are {header[2]} x {header[3]}, not 28 x 28"
        )
    return values.reshape(header[1:])


def _from_arrays(x: object, y: object) -> Dataset:
    inputs, answers = _array("x", x), _array("y", y)
    if inputs.ndim < 2 or answers.ndim < 1 or len(inputs) != len(answers):
        raise DataError(
            f"x must have shape (n, ...) and y length n, got {inputs.shape} and {answers.shape}"
        )
    if len(inputs) < _FEWEST_SAMPLES:
        raise DataError(f"{len(inputs)} samples are too few; at least 8 are needed")
    labels = answers.dtype.kind in "iub"
    if labels and answers.ndim != 1:
        raise DataError(f"labels must have shape (n,), got {answers.shape}")
    if labels and answers.min() < 0:
        raise DataError(f"labels count from 0, got {answers.min()}")
    parts = _split(_float32("x", inputs), answers if labels else _float32("y", answers))
    x_train, y_train, x_test, y_test = (torch.from_numpy(part) for part in parts)
    return Dataset(
        "arrays",
        x_train,
        y_train.long() if labels else y_train.reshape(len(y_train), -1),
        x_test,
        y_test.long() if labels else y_test.reshape(len(y_test), -1),
        (tuple(inputs.shape[1:]),),
        int(answers.max()) + 1 if labels else None,
        whole=inputs.dtype.kind in "iu",
    )


def _array(name: str, values: object) -> NDArray[Any]:
    """An array of real numbers.

    Raises:
        DataError: words, objects, complex numbers, or rows of unequal length.
    """
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        values = (values.float() if values.dtype in _SHORT_FLOATS else values).numpy()
    try:
        array = np.asarray(values)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} must be an array of numbers: {error}") from None
    if array.dtype.kind not in "fiub":
        raise DataError(f"{name} must be an array of real numbers, got {array.dtype}")
    return array


def _float32(name: str, array: NDArray[Any]) -> NDArray[np.float32]:
    """The array in float32.

    Raises:
        DataError: a value that is not finite there.
    """
    with np.errstate(over="ignore"):
        converted = array.astype(np.float32)
    if not np.isfinite(converted).all():
        raise DataError(
            f"{name} holds NaN, infinity, or numbers beyond float32; all must be finite"
        )
    return converted
