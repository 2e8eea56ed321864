"""What a prescription gives up: one sentence a rule, said where the plan shows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import attrs

from fanin import schemes
from fanin.guide.chooser import along_depth, by_structure
from fanin.guide.chooser.cases import Case
from fanin.guide.chooser.parts import Part
from fanin.guide.chooser.shown import Shown


@attrs.frozen
class TradeOff:
    """One thing that a prescription gives up.

    Args:
        text: a sentence; its numbers are those of this network.
        source: author, title, year, or the command that shows it.
    """

    text: str
    source: str

    def to_dict(self) -> dict[str, Any]:
        """Text and source."""
        return attrs.asdict(self)


def trade_offs(case: Case, parts: Sequence[Part]) -> tuple[TradeOff, ...]:
    """What holds of a plan, in the order of the rules."""
    shown = Shown(case, tuple(parts))
    said = ((rule(shown), source) for rule, source in _RULES)
    return tuple(TradeOff(text, source) for text, source in said if text)


_Rule = Callable[[Shown], str]

_RULES: Final[tuple[tuple[_Rule, str], ...]] = (
    (
        along_depth.widths,
        (
            "Glorot, Bengio. Understanding the difficulty of training deep feedforward neural "
            "networks. AISTATS 2010. Equations 10 to 12"
        ),
    ),
    (
        along_depth.orthogonal,
        (
            "Hu, Xiao, Pennington. Provable benefit of orthogonal initialization in optimizing "
            "deep linear networks. ICLR 2020. arXiv:2001.05992"
        ),
    ),
    (
        along_depth.no_isometry,
        (
            "Pennington, Schoenholz, Ganguli. Resurrecting the sigmoid in deep learning through "
            "dynamical isometry. NeurIPS 2017. arXiv:1711.04735"
        ),
    ),
    (along_depth.pairs, schemes.looks_linear.citation),
    (
        along_depth.chance,
        (
            "Hanin, Rolnick. How to start training: the effect of initialization and architecture. "
            "NeurIPS 2018. arXiv:1803.01719"
        ),
    ),
    (along_depth.drifts, "fanin theory ACTIVATION: chi_1"),
    (
        along_depth.small_signals,
        (
            "Schoenholz, Gilmer, Ganguli, Sohl-Dickstein. Deep information propagation. ICLR 2017. "
            "arXiv:1611.01232"
        ),
    ),
    (
        along_depth.scale_free,
        (
            "van Laarhoven. L2 regularization versus batch and weight normalization. 2017. "
            "arXiv:1706.05350"
        ),
    ),
    (
        along_depth.batch_growth,
        (
            "Yang, Pennington, Rao, Sohl-Dickstein, Schoenholz. A mean field theory of batch "
            "normalization. ICLR 2019. arXiv:1902.08129"
        ),
    ),
    (
        by_structure.branches,
        "Zhang, Dauphin, Ma. Fixup initialization. ICLR 2019. arXiv:1901.09321",
    ),
    (
        by_structure.normed_branches,
        (
            "Goyal et al. Accurate, large minibatch SGD: training ImageNet in 1 hour. 2017. "
            "arXiv:1706.02677. Section 5.1"
        ),
    ),
    (
        by_structure.post,
        (
            "Xiong et al. On layer normalization in the transformer architecture. ICML 2020. "
            "arXiv:2002.04745"
        ),
    ),
    (
        by_structure.no_norm,
        (
            "De, Smith. Batch normalization biases residual blocks towards the identity function "
            "in deep networks. NeurIPS 2020. arXiv:2002.10444"
        ),
    ),
    (by_structure.tables, "Kingma, Ba. Adam. ICLR 2015. arXiv:1412.6980. Section 2.1"),
    (
        by_structure.tied,
        (
            "Press, Wolf. Using the output embedding to improve language models. EACL 2017. "
            "arXiv:1608.05859; Vaswani et al. Attention is all you need. 2017. Section 3.4"
        ),
    ),
    (by_structure.scores, "Karpathy. A recipe for training neural networks. 2019. Section 2"),
    (by_structure.regression, "Karpathy. A recipe for training neural networks. 2019. Section 2"),
    (
        by_structure.prior,
        (
            "Lin, Goyal, Girshick, He, Dollar. Focal loss for dense object detection. ICCV 2017. "
            "arXiv:1708.02002. Section 4.1"
        ),
    ),
    (
        by_structure.chrono,
        "Tallec, Ollivier. Can recurrent neural networks warp time? ICLR 2018. arXiv:1804.11188",
    ),
    (
        by_structure.forget,
        "Tallec, Ollivier. Can recurrent neural networks warp time? ICLR 2018. arXiv:1804.11188",
    ),
    (
        by_structure.state,
        (
            "Le, Jaitly, Hinton. A simple way to initialize recurrent networks of rectified linear "
            "units. 2015. arXiv:1504.00941"
        ),
    ),
    (
        by_structure.orthogonal_state,
        (
            "Bengio, Simard, Frasconi. Learning long-term dependencies with gradient descent is "
            "difficult. IEEE Transactions on Neural Networks, 1994"
        ),
    ),
    (along_depth.sine, schemes.siren.citation),
    (
        by_structure.frozen,
        (
            "Kumar, Raghunathan, Jones, Ma, Liang. Fine-tuning can distort pretrained features and "
            "underperform out-of-distribution. ICLR 2022. arXiv:2202.10054"
        ),
    ),
    (by_structure.adapters, "Hu et al. LoRA. 2021. arXiv:2106.09685. Section 4.1"),
    (
        along_depth.measured,
        "Mishkin, Matas. All you need is a good init. ICLR 2016. arXiv:1511.06422",
    ),
)
