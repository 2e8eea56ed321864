"""What an observation holds: frozen records, each with a form for JSON."""

from __future__ import annotations

from typing import Any

import attrs

from fanin.fans import Layout
from fanin.observation.values import plain_dict


@attrs.frozen
class Region:
    """The elementwise functions between an operation and the next weight, norm or join.

    Args:
        ops: the functions, in the order of execution; empty for the identity. Views, casts and
            dropout are left out.
        gain: 1 / sqrt(E phi(z)^2) of what they compute together, z ~ N(0, 1), whatever they are
            called; for a gated unit that of its gate. None where they compute no such function.
        ends: what ends the region: "weight", "norm", "join", "product", "softmax", "pool", "op",
            "output" or "nothing".
        at: its name: a parameter, a module, a join, or an operation.
        reason: why there is no gain.
    """

    ops: tuple[str, ...]
    gain: float | None
    ends: str
    at: str
    reason: str = ""


@attrs.frozen
class Norm:
    """A normalization: an operation of torch, or one written by hand.

    Args:
        op: e.g. "layer_norm", "batch_norm"; "by hand" where it is known by what it does.
        module: the module that runs it.
    """

    op: str
    module: str


@attrs.frozen
class Source:
    """What produces the input of a use.

    Args:
        kind: "input" (of the model), "weight", "norm", "join", "product", "softmax", "pool",
            "op", "parameter" (a learned input) or "constant" (positions, an empty state).
        name: a parameter for "weight", else a module, a join, an input or an operation.
        ops: the elementwise functions in between.
        gain: of these functions; 1 where there are none, None where they have no gain.
    """

    kind: str
    name: str
    ops: tuple[str, ...]
    gain: float | None


@attrs.frozen
class Branch:
    """One residual branch: what is added to the signal that passes by.

    Args:
        index: counted along the order of execution, from 0.
        join: the name of the join where it ends.
        start: the name of what feeds both branch and skip.
        shortcut: the parameter of a weight on the skip path; None for the identity.
        weights: the parameters of its weights, in the order of execution.
        last: those of them after which no other follows inside the branch.
    """

    index: int
    join: str
    start: str
    shortcut: str | None
    weights: tuple[str, ...]
    last: tuple[str, ...]


@attrs.frozen
class Use:
    """One use of one parameter by one operation.

    Args:
        parameter: its name, as ``named_parameters`` gives it.
        names: all its names; more than one where it is tied.
        module: the path of the module that runs the operation; "" for the model itself.
        op: the function of torch, e.g. "linear", "conv2d", "matmul", "embedding", "lstm".
        role: "weight" (multiplies), "table" (is looked up), "bias" (of the same operation),
            "scale" and "shift" (multiply and are added elementwise), "slope" (of PReLU),
            "magnitude" (of a weight that is derived from it, as weight_norm's g), "input" (is
            itself the signal, as class tokens and learned queries) or "elementwise".
        layout: of a weight or table, as the operation reads it.
        through: operations between the parameter and the slot, e.g. ("t",), ("_weight_norm",).
        source: what produces the operation's input.
        regions: what follows, one for each way on.
        norm_before: the norm whose output reaches the operation by elementwise functions only.
        norm_after: the norm that its output reaches in that way.
        branch: index of the innermost residual branch that it belongs to.
        last_of_branch: no other weight follows in that branch.
        attention: "query", "key", "value", "output"; "query+key+value" and the like where one
            weight has several.
        feeds_output: its output reaches the model's output with no other weight between.
        recurrent: its output reaches a later use of itself, or it is a step of a recurrent net.
        time_steps: of a recurrent operation that runs over a whole sequence.
        call: which use of the parameter in this role by this module it is, from 0.
        calls: how many there are.
        signal: the name of the signal that the operation puts out.
        seen: False if only a pass in evaluation mode used it (LayerDrop), so that it has no
            signal.
    """

    parameter: str
    names: tuple[str, ...]
    module: str
    op: str
    role: str
    layout: Layout | None = None
    through: tuple[str, ...] = ()
    source: Source | None = None
    regions: tuple[Region, ...] = ()
    norm_before: Norm | None = None
    norm_after: Norm | None = None
    branch: int | None = None
    last_of_branch: bool = False
    attention: str | None = None
    feeds_output: bool = False
    recurrent: bool = False
    time_steps: int | None = None
    call: int = 0
    calls: int = 1
    signal: str | None = None
    seen: bool = True

    @property
    def fan_in(self) -> float | None:
        """Products summed by one output."""
        return None if self.layout is None else self.layout.fan_in

    @property
    def fan_out(self) -> float | None:
        """Products summed by the gradient of one input."""
        return None if self.layout is None else self.layout.fan_out

    @property
    def gain(self) -> float | None:
        """Of the region that follows; None where it has none or the ways on differ."""
        gains = {None if r.gain is None else round(r.gain, 9) for r in self.regions}
        return self.regions[0].gain if len(gains) == 1 else None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, with the derived numbers."""
        return plain_dict(self) | {
            "fan_in": self.fan_in,
            "fan_out": self.fan_out,
            "gain": self.gain,
        }


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
class Parameter:
    """One parameter.

    Args:
        name: as ``named_parameters`` gives it.
        names: all its names; more than one where it is tied.
        shape: of the tensor.
        dtype: e.g. "float32".
        trainable: it requires a gradient.
        rms: of its values; None on the meta device.
        gradient_rms: of the loss's gradient; None where there is none.
        matched: every path from it was understood.
    """

    name: str
    names: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    trainable: bool
    rms: float | None
    gradient_rms: float | None
    matched: bool


@attrs.frozen
class Unmatched:
    """A parameter with a use that was not understood.

    Args:
        parameter: its name.
        op: the first operation that was not understood.
        module: the module that ran it, where that is known.
        reason: one sentence.
    """

    parameter: str
    op: str
    module: str
    reason: str


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


@attrs.frozen
class Step:
    """A node of the dataflow: what is not elementwise.

    Args:
        name: unique; that of its signal where it has one.
        kind: "input", "weight", "norm", "join", "product", "softmax", "pool", "op", "loss" or
            "output".
        op: the operation.
        module: the module that runs it.
        parameters: those that it uses.
        rms: of what it puts out, where measured.
        gradient_rms: of the gradient of that.
    """

    name: str
    kind: str
    op: str
    module: str
    parameters: tuple[str, ...] = ()
    rms: float | None = None
    gradient_rms: float | None = None


@attrs.frozen
class Edge:
    """From step to step, through elementwise functions.

    Args:
        source: name of a step.
        target: name of a step.
        ops: the functions in between.
    """

    source: str
    target: str
    ops: tuple[str, ...] = ()
