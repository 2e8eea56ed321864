"""What an observation holds: frozen records, each with a form for JSON."""

from __future__ import annotations

from typing import Any

import attrs

from fanin.fans import Layout
from fanin.observation.values import INNER, plain_dict


@attrs.frozen
class Response:
    """How a function answers to signals of one scale, and how its odd part does.

    Args:
        q: second moment of what enters it, Gaussian.
        gain: sqrt(q / E f(z)^2): weights of this gain after it keep q.
        sensitivity: chi = gain^2 E f'(z)^2: factor of the mean square of gradients at that gain.
        mirrored_gain: the same of f(z) - f(-z), which a pair of units of opposite sign computes.
        mirrored_sensitivity: the same of it.
    """

    q: float
    gain: float
    sensitivity: float
    mirrored_gain: float
    mirrored_sensitivity: float


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
        responses: to signals of several scales, the largest first; empty where they are not known.
    """

    ops: tuple[str, ...]
    gain: float | None
    ends: str
    at: str
    reason: str = ""
    responses: tuple[Response, ...] = attrs.field(default=(), repr=False, eq=False, metadata=INNER)


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
        responses: of them, as those of a region.
    """

    kind: str
    name: str
    ops: tuple[str, ...]
    gain: float | None
    responses: tuple[Response, ...] = attrs.field(default=(), repr=False, eq=False, metadata=INNER)


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
