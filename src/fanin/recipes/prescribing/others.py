"""Parameters that are no weights: biases, norms, learned signals, lengths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch

from fanin.observation.records import Use
from fanin.recipes.prescribing.outputs import Outputs
from fanin.recipes.reading.anatomy import Anatomy, Part
from fanin.schemes import Scheme, constant, normal, ones, zeros

LONG = 64
"""Steps of time from which a recurrent layer needs to be told how long to remember."""

Given = tuple[Scheme, str, str]
"""A scheme, its reason and the source of the rule."""


class Others:
    """Prescribes what is no weight.

    Args:
        anatomy: of the model.
        outputs: what is known of the loss.
    """

    def __init__(self, anatomy: Anatomy, outputs: Outputs) -> None:
        self._anatomy = anatomy
        self._outputs = outputs

    def given(self, name: str, part: Part, lengths: Mapping[str, float]) -> Given | None:
        """What a parameter gets; None for one that keeps its values.

        Args:
            name: of the parameter.
            part: what it is for.
            lengths: for modules with weight norm: the mean length of a unit's weights.
        """
        use = self._anatomy.main_use(name)
        if use is None:
            return None
        if part is Part.BIAS:
            return self._bias(name, use)
        if part is Part.NORM_SCALE:
            return ones(), "a norm starts as plain normalisation", _BATCH
        if part is Part.NORM_SHIFT:
            return zeros(), "a norm starts as plain normalisation", _BATCH
        if part is Part.SIGNAL and any(one.source.name == name for one in self._anatomy.weights
                                       if one.source is not None):  # fmt: skip
            return normal(std=1.0), "a learned input: it is the signal itself, at RMS 1", _TABLE
        if part is Part.SIGNAL:
            return normal(std=0.02), "a learned signal starts small beside the others", _BERT
        if part is Part.MAGNITUDE:
            length = lengths.get(use.module, 1.0)
            return constant(length), "the length of a unit's weights under their scheme", _SALIMANS
        return None

    def _bias(self, name: str, use: Use) -> Given:
        if use.recurrent and use.op in {"lstm", "gru", "lstm_cell", "gru_cell"}:
            return self._gate_bias(name, use)
        if use.feeds_output and use.branch is None:
            known = self._outputs.bias(name)
            if known is not None:
                return self._prior(name, *known)
        return zeros(), "a bias needs no random start: the weights tell the units apart", _LECUN

    def _prior(self, name: str, values: tuple[float, ...], said: str) -> Given:
        from fanin.schemes import given

        if len(set(values)) == 1:
            return constant(values[0]), f"{said}, {values[0]:.4g}", _KARPATHY
        shape = self._anatomy.parameters[name].shape
        return given(torch.tensor(values, dtype=torch.float64).reshape(shape)), said, _KARPATHY

    def _gate_bias(self, name: str, use: Use) -> Given:
        from fanin.schemes import blocks, chrono_bias

        own = name.rpartition(".")[2]
        if own.startswith("bias_hh"):
            return zeros(), "it adds to the other bias of the gates, which is set", _GERS
        gates: Literal["lstm", "gru"] = "lstm" if use.op.startswith("lstm") else "gru"
        if use.time_steps is not None and use.time_steps >= LONG:
            return (
                chrono_bias(use.time_steps, gates),
                f"gates remember for 1 to {use.time_steps} steps, as long as the sequences are",
                _CHRONO,
            )
        if gates == "lstm":
            return (
                blocks((zeros(), ones(), zeros(), zeros())),
                "the forget gate starts open, so that the state and its gradient live on",
                _GERS,
            )
        return (
            blocks((zeros(), ones(), zeros())),
            "the update gate starts closed, so that the state and its gradient live on",
            _GERS,
        )


_BATCH = "Ioffe, Szegedy. Batch normalization. ICML 2015. arXiv:1502.03167. Section 3"
_BERT = "Devlin et al. BERT. 2019. arXiv:1810.04805; N(0, 0.02)"
_CHRONO = "Tallec, Ollivier. Can recurrent neural networks warp time? ICLR 2018. arXiv:1804.11188"
_GERS = (
    "Gers, Schmidhuber, Cummins. Learning to forget. 2000; Jozefowicz, Zaremba, Sutskever. An "
    "empirical exploration of recurrent network architectures. ICML 2015"
)
_KARPATHY = "Karpathy. A recipe for training neural networks. 2019. Section 2"
_LECUN = "LeCun, Bottou, Orr, Mueller. Efficient BackProp. 1998. Section 4.6"
_TABLE = "PyTorch, torch.nn.Embedding: N(0, 1)"
_SALIMANS = "Salimans, Kingma. Weight normalization. NeurIPS 2016. arXiv:1602.07868"
