"""What a pass measured: frozen records of signals, losses, softmaxes and gates."""

from __future__ import annotations

import attrs


@attrs.frozen
class Statistics:
    """One tensor's numbers.

    Args:
        rms: exact, over finite and other elements alike.
        largest: the largest absolute value in the sample.
        nonfinite: how many elements are Inf or NaN, exact.
        mean: over the sample.
        zeros: share of exact zeros in the sample.
        size: number of elements.
        sampled: number of elements in the sample; ``size`` where all were read. A share from a
            sample has a standard error of at most 1 / (2 sqrt(sampled)).
    """

    rms: float
    largest: float
    nonfinite: int
    mean: float
    zeros: float
    size: int
    sampled: int


@attrs.frozen
class Units:
    """What single units show, over the sampled examples and positions.

    Args:
        count: units looked at.
        dead: units in the flat part of their activation for every example and position.
        duplicated: units whose values equal those of another unit everywhere.
        flat: share of numbers in the flat part of the activation that follows: its slope is
            below a hundredth of the largest.
        observations: examples times positions that each unit was seen at.
        always: units that lie in the mirror image of the dead part everywhere: of ReLU, those
            that are always active.
        silent: the lower dead part gives zeros, as that of ReLU does.
        off_half: the flat part reaches to near 0, so that half of the values lie in it by design.
        two_sided: the function that follows is flat on both sides: it saturates, as tanh does.
        dead_units: which ones, counted from 0.
        duplicated_units: which ones.
    """

    count: int
    dead: int | None
    duplicated: int
    flat: float | None
    observations: int
    always: int | None = None
    silent: bool = False
    off_half: bool = False
    two_sided: bool = False
    dead_units: tuple[int, ...] = ()
    duplicated_units: tuple[int, ...] = ()


@attrs.frozen
class Signal:
    """What an operation puts out, on its way forward, and the loss's gradient for it.

    Args:
        name: the parameter of a weight, or the module and operation of a join, with a number
            where there are several.
        kind: "weight", "table", "norm", "join", "input", "output".
        module: the path of the module that runs it.
        op: the operation.
        shape: of the tensor.
        dtype: of the tensor, e.g. "float32".
        forward: of the tensor.
        gradient: of its gradient; None where the loss does not depend on it.
        units: of weights and joins whose unit axis is known.
        correlation: mean cosine between the tensors of two examples; None for one example.
        varying: share of the mean square that differs between examples; None for one example.
        rank: effective number of directions in which the examples differ: squared trace over
            trace of the square of their centred Gram matrix.
        examples: how many were compared.
        entering: RMS of what the operation reads, from a sample; of weights only.
    """

    name: str
    kind: str
    module: str
    op: str
    shape: tuple[int, ...]
    dtype: str
    forward: Statistics
    gradient: Statistics | None = None
    units: Units | None = None
    correlation: float | None = None
    varying: float | None = None
    rank: float | None = None
    examples: int = 0
    entering: float | None = None


@attrs.frozen
class Objective:
    """The loss that ran.

    Args:
        kind: "given" (the caller's function), "model" (the output's ``.loss``) or "projection"
            (a fixed random projection of the output, which stands in).
        op: the function of torch that made it, e.g. "cross_entropy"; "" where unknown.
        value: the loss.
        classes: of a classification loss, the number of classes.
    """

    kind: str
    op: str
    value: float
    classes: int | None = None


@attrs.frozen
class LossCall:
    """One call of a loss of torch, and what it would be for a guess without input.

    Args:
        op: e.g. "cross_entropy".
        module: that ran it.
        value: its mean.
        uninformed: of the same call, with the same targets, on scores of 0, equal
            probabilities, or each target's mean; None where that has no meaning.
        classes: over which the scores compete.
        scores: RMS of what it judged.
        spread: RMS of that without its mean over the classes.
        bias: RMS of the part of it that is the same for all examples.
        target_mean: of real targets.
        target_spread: standard deviation of real targets about the best guess.
    """

    op: str
    module: str
    value: float
    uninformed: float | None
    classes: int | None
    scores: float
    spread: float
    bias: float
    target_mean: float | None = None
    target_spread: float | None = None


@attrs.frozen
class Attention:
    """How sharp one softmax is, over a sample of its rows.

    Args:
        name: of its stage: module and operation.
        module: that runs it.
        op: the softmax, or a fused attention.
        keys: numbers in a row.
        rows: how many were seen; those with one place allowed are left out.
        largest: mean of the largest probability of a row.
        entropy: mean entropy of a row, over that of equal shares of the allowed.
        queries: parameters that the queries come from; empty where it is no attention.
        key_weights: parameters that the keys come from.
        feeds_output: it is the model's output.
    """

    name: str
    module: str
    op: str
    keys: int
    rows: int
    largest: float
    entropy: float
    queries: tuple[str, ...] = ()
    key_weights: tuple[str, ...] = ()
    feeds_output: bool = False


@attrs.frozen
class Gate:
    """One gate of a recurrent layer or cell, computed again for a few examples.

    Args:
        parameters: the weights and biases that it is computed from.
        module: that runs it.
        op: e.g. "lstm".
        layer: counted from 0.
        gate: "input", "forget", "cell", "output", "reset", "update", "new" or "hidden".
        rms: of what enters its activation.
        low: share of it in the lower flat part: the gate is closed.
        high: share in the upper flat part: the gate is open.
        first: RMS of the hidden state after the first step.
        last: after the last step.
    """

    parameters: tuple[str, ...]
    module: str
    op: str
    layer: int
    gate: str
    rms: float
    low: float
    high: float
    first: float
    last: float


@attrs.frozen
class Twins:
    """Units of one parameter that are equal as functions.

    Args:
        parameter: its name.
        units: how many of them equal another.
        count: of all.
        distinct: how many different ones there are.
        gradients: those that are equal get equal gradients too.
    """

    parameter: str
    units: int
    count: int
    distinct: int
    gradients: bool = True


@attrs.frozen
class NonFinite:
    """Where the first Inf or NaN arose.

    Args:
        op: the operation whose operands were finite and whose result was not.
        module: the module that ran it.
        count: of elements.
        gradient: it is a gradient.
        operand: what the operation read, in one phrase.
        dtype: of the result.
        parameters: the nearest that the result comes from.
    """

    op: str
    module: str
    count: int
    gradient: bool = False
    operand: str = ""
    dtype: str = ""
    parameters: tuple[str, ...] = ()
