"""Every module of torch.nn that has parameters, with every switch that changes the arithmetic."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tests.zoo.subject import Subject

CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
BATCH_NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
INSTANCE_NORMS = {1: nn.InstanceNorm1d, 2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}
PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


def subject(
    name: str, family: str, model: Callable[[], nn.Module], inputs: Callable[[], object]
) -> Subject:
    return Subject(f"nn/{name}", family, lambda: (model().train(), inputs()))


def normal(*shape: int) -> Callable[[], Tensor]:
    return lambda: torch.randn(*shape)


def tokens(count: int, *shape: int) -> Tensor:
    return torch.randint(0, count, shape)


# Linear, bilinear, convolutions


class Pair(nn.Module):
    """A bilinear form of two features of one input."""

    def __init__(self, bias: bool) -> None:
        super().__init__()
        self.first = nn.Linear(8, 6)
        self.second = nn.Linear(8, 5)
        self.bilinear = nn.Bilinear(6, 5, 7, bias=bias)
        self.head = nn.Linear(7, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.bilinear(self.first(x).tanh(), self.second(x).tanh()).relu())


def convolutional(dimensions: int, mode: str) -> nn.Module:
    conv = CONVOLUTIONS[dimensions]
    return nn.Sequential(
        conv(4, 8, 3, padding=1, padding_mode=mode),
        nn.ReLU(),
        conv(8, 12, 3, padding=2, dilation=2, groups=4, padding_mode=mode, bias=False),
        nn.GELU(),
        conv(12, 12, 3, stride=2, padding=1, groups=12, padding_mode=mode),
        nn.SiLU(),
        conv(12, 6, 1, padding_mode=mode),
    )


def padded_by_name(dimensions: int) -> nn.Module:
    conv = CONVOLUTIONS[dimensions]
    return nn.Sequential(
        conv(4, 6, 4, padding="same", dilation=2), nn.ELU(), conv(6, 3, 2, padding="valid")
    )


def transposed(dimensions: int) -> nn.Module:
    conv = TRANSPOSED[dimensions]
    return nn.Sequential(
        conv(4, 6, 3),
        nn.ReLU(),
        conv(6, 8, 3, stride=2, padding=1, output_padding=1, groups=2),
        nn.LeakyReLU(0.2),
        conv(8, 8, 2, dilation=2, groups=8, bias=False),
        nn.Tanh(),
        conv(8, 3, 4, stride=3, padding=1),
    )


class OutputSize(nn.Module):
    """A transposed convolution that is told the size of its output."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 6, 3, stride=2)
        self.up = nn.ConvTranspose2d(6, 3, 3, stride=2)

    def forward(self, image: Tensor) -> Tensor:
        return self.up(self.down(image).relu(), output_size=image.shape[-2:])


# Embeddings


class Bags(nn.Module):
    """Bags as rows, and bags by offsets."""

    def __init__(self, mode: str, weighted: bool = False) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(50, 12, mode=mode, padding_idx=0)
        self.head = nn.Linear(12, 4)
        self.weighted = weighted

    def forward(self, rows: Tensor, flat: Tensor, offsets: Tensor) -> Tensor:
        of_rows = torch.rand(rows.shape) if self.weighted else None
        of_flat = torch.rand(flat.shape) if self.weighted else None
        first = self.bag(rows, per_sample_weights=of_rows)
        second = self.bag(flat, offsets, per_sample_weights=of_flat)
        return self.head(torch.cat([first, second]).relu())


def bag_inputs() -> tuple[Tensor, ...]:
    return tokens(50, 6, 5), tokens(50, 20), torch.tensor([0, 3, 9, 15])


# Recurrent networks


class Recurrent(nn.Module):
    """Tokens through an embedding and a recurrent module to a head, packed if lengths come."""

    def __init__(self, recurrent: nn.RNNBase, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(40, recurrent.input_size)
        self.recurrent = recurrent
        self.head = nn.Linear(width, 40)

    def forward(self, ids: Tensor, lengths: Tensor | None = None) -> Tensor:
        x = self.embedding(ids)
        if lengths is None:
            with warnings.catch_warnings():
                # Projections have no kernel of oneDNN, which torch tells once.
                warnings.filterwarnings("ignore", "LSTM with projections", UserWarning)
                out, _ = self.recurrent(x)
        else:
            packed = pack_padded_sequence(
                x, lengths, batch_first=self.recurrent.batch_first, enforce_sorted=False
            )
            out, _ = self.recurrent(packed)
            out, _ = pad_packed_sequence(out, batch_first=self.recurrent.batch_first)
        return self.head(out)


class Cells(nn.Module):
    """Each kind of cell in a loop over time."""

    def __init__(self) -> None:
        super().__init__()
        self.tanh = nn.RNNCell(6, 10)
        self.relu = nn.RNNCell(10, 10, nonlinearity="relu", bias=False)
        self.gru = nn.GRUCell(10, 10)
        self.lstm = nn.LSTMCell(10, 10)
        self.head = nn.Linear(10, 3)

    def forward(self, sequence: Tensor) -> Tensor:
        zero = sequence.new_zeros(sequence.shape[1], 10)
        first, second, third, fourth, memory = zero, zero, zero, zero, zero
        for x in sequence:
            first = self.tanh(x, first)
            second = self.relu(first, second)
            third = self.gru(second, third)
            fourth, memory = self.lstm(third, (fourth, memory))
        return self.head(fourth)


class StartsLearned(nn.Module):
    """A recurrent network whose first state is a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.randn(2, 1, 12))
        self.recurrent = nn.GRU(6, 12, num_layers=2, batch_first=True)
        self.head = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        _, last = self.recurrent(x, self.start.expand(-1, len(x), -1).contiguous())
        return self.head(last[-1])


# Attention


class SelfAttention(nn.Module):
    def __init__(self, call: dict[str, object] | None = None, **switches: object) -> None:
        super().__init__()
        self.inner = nn.Linear(16, 16)
        self.attention = nn.MultiheadAttention(16, 4, **switches)
        self.head = nn.Linear(16, 5)
        self.call = call or {}

    def forward(self, x: Tensor) -> Tensor:
        x = self.inner(x)
        attended, _ = self.attention(x, x, x, **self.call)
        return self.head(attended)


class CrossAttention(nn.Module):
    def __init__(self, call: dict[str, object] | None = None, **switches: object) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 2, **switches)
        self.head = nn.Linear(16, 5)
        self.call = call or {}

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor | None]:
        attended, weights = self.attention(query, key, value, **self.call)
        return self.head(attended), weights


def causal(length: int) -> Tensor:
    return nn.Transformer.generate_square_subsequent_mask(length)


def padding(batch: int, length: int) -> Tensor:
    mask = torch.zeros(batch, length, dtype=torch.bool)
    mask[:, -1] = True
    return mask


def cross(key: int = 16, value: int = 16) -> Callable[[], tuple[Tensor, ...]]:
    return lambda: (torch.randn(7, 3, 16), torch.randn(9, 3, key), torch.randn(9, 3, value))


class Encoder(nn.Module):
    def __init__(self, masked: bool = False, **switches: object) -> None:
        super().__init__()
        self.embedding = nn.Embedding(40, 16)
        layer = nn.TransformerEncoderLayer(16, 4, 32, **switches)
        norm = nn.LayerNorm(16) if switches.get("norm_first") else None
        self.encoder = nn.TransformerEncoder(layer, 2, norm, enable_nested_tensor=False)
        self.head = nn.Linear(16, 40)
        self.masked = masked

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embedding(ids)
        if not self.masked:
            return self.head(self.encoder(x))
        return self.head(self.encoder(x, mask=causal(len(ids)), is_causal=True))


class Decoder(nn.Module):
    def __init__(self, **switches: object) -> None:
        super().__init__()
        self.embedding = nn.Embedding(40, 16)
        layer = nn.TransformerDecoderLayer(16, 4, 32, batch_first=True, **switches)
        self.decoder = nn.TransformerDecoder(layer, 2, nn.LayerNorm(16))
        self.head = nn.Linear(16, 40)

    def forward(self, ids: Tensor, memory: Tensor) -> Tensor:
        x = self.embedding(ids)
        return self.head(self.decoder(x, memory, tgt_mask=causal(ids.shape[1])))


class Whole(nn.Module):
    def __init__(self, **switches: object) -> None:
        super().__init__()
        self.source = nn.Embedding(40, 16)
        self.target = nn.Embedding(30, 16)
        with warnings.catch_warnings():
            # An encoder that norms first cannot nest its tensors, and says so.
            warnings.filterwarnings("ignore", "enable_nested_tensor", UserWarning)
            self.transformer = nn.Transformer(
                16, 4, 2, 2, dim_feedforward=32, batch_first=True, **switches
            )
        self.head = nn.Linear(16, 30)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        mask = causal(target.shape[1])
        out = self.transformer(self.source(source), self.target(target), tgt_mask=mask)
        return self.head(out)


# Norms, activations, losses


def normed(dimensions: int, norm: Callable[[int], nn.Module]) -> nn.Module:
    conv = CONVOLUTIONS[dimensions]
    return nn.Sequential(
        conv(3, 8, 3, bias=False), norm(8), nn.ReLU(), conv(8, 8, 3), norm(8), nn.ReLU()
    )


def norm_of_rows(norm: Callable[[], nn.Module]) -> nn.Module:
    return nn.Sequential(nn.Linear(8, 12), norm(), nn.ReLU(), nn.Linear(12, 12), norm())


class AdaptiveSoftmax(nn.Module):
    def __init__(self, head_bias: bool) -> None:
        super().__init__()
        self.inner = nn.Linear(8, 16)
        self.softmax = nn.AdaptiveLogSoftmaxWithLoss(
            16, 60, cutoffs=[10, 30], div_value=2.0, head_bias=head_bias
        )

    def forward(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        return self.softmax(self.inner(x).relu(), target)


class CrossEntropy(nn.Module):
    """The head and its loss as one module, which torch may compute in chunks."""

    def __init__(self, bias: bool, chunked: bool) -> None:
        super().__init__()
        self.inner = nn.Linear(8, 16)
        switches = {} if chunked else {"options": None}
        self.loss = nn.LinearCrossEntropyLoss(16, 10, bias=bias, **switches)

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        return self.loss(self.inner(x).relu(), target)


ELEMENTWISE = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.RReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU),
    *(nn.Mish, nn.Tanh, nn.Sigmoid, nn.Hardswish, nn.Hardsigmoid, nn.Hardtanh, nn.Hardshrink),
    *(nn.Softshrink, nn.Tanhshrink, nn.Softplus, nn.Softsign, nn.LogSigmoid, nn.Identity),
    *(nn.Dropout, nn.AlphaDropout, nn.FeatureAlphaDropout),
)


def activations(inplace: bool) -> nn.Module:
    layers: list[nn.Module] = []
    for function in ELEMENTWISE:
        switches = {"inplace": True} if inplace and hasattr(function(), "inplace") else {}
        layers += [nn.Linear(6, 6), function(**switches)]
    gates = [nn.Linear(6, 12), nn.GLU(), nn.Linear(6, 6), nn.Threshold(0.1, 0.0)]
    ends = [nn.Linear(6, 6), nn.Softmin(-1), nn.Linear(6, 6), nn.Softmax(-1), nn.Linear(6, 4)]
    return nn.Sequential(*layers, *gates, *ends, nn.LogSoftmax(-1))


class Unpooled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 1)
        self.pool = nn.MaxPool2d(2, return_indices=True)
        self.unpool = nn.MaxUnpool2d(2)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.unpool(*self.pool(self.inner(image))))


def reshaping() -> nn.Module:
    """What moves, pools and pads numbers between convolutions."""
    return nn.Sequential(
        nn.ReflectionPad2d(1),
        nn.Conv2d(3, 8, 3),
        nn.MaxPool2d(2),
        nn.ReplicationPad2d(1),
        nn.Conv2d(8, 8, 3),
        nn.PixelShuffle(2),
        nn.CircularPad2d(1),
        nn.Conv2d(2, 4, 3),
        nn.PixelUnshuffle(2),
        nn.ZeroPad2d(1),
        nn.Conv2d(16, 8, 3),
        nn.ChannelShuffle(2),
        nn.AvgPool2d(3, stride=1, padding=1),
        nn.Conv2d(8, 4, 1),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.Dropout2d(0.1),
        nn.ConstantPad2d(1, 0.5),
        nn.Conv2d(4, 4, 3),
        nn.LPPool2d(2, 2),
        nn.UpsamplingNearest2d(scale_factor=2),
        nn.Conv2d(4, 4, 3),
        nn.FractionalMaxPool2d(2, output_size=5),
        nn.Conv2d(4, 4, 3),
        nn.AdaptiveMaxPool2d(6),
        nn.Unfold(3),
        nn.Linear(16, 16),
        nn.Fold(6, 3),
        nn.Conv2d(4, 6, 3),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(24, 24),
        nn.Unflatten(1, (6, 2, 2)),
        nn.Conv2d(6, 5, 2),
        nn.Softmax2d(),
    )


class Losses(nn.Module):
    """A head of its own under every loss."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(8, 12)
        self.heads = nn.ModuleDict(
            {name: nn.Linear(12, 5) for name in (*self.of_values(), *self.others())}
        )

    @staticmethod
    def of_values() -> dict[str, nn.Module]:
        """Those that compare with a target of the same shape."""
        return {
            "mse": nn.MSELoss(),
            "l1": nn.L1Loss(),
            "smooth": nn.SmoothL1Loss(),
            "huber": nn.HuberLoss(),
            "bce": nn.BCEWithLogitsLoss(),
            "poisson": nn.PoissonNLLLoss(),
            "margin": nn.SoftMarginLoss(),
            "hinge": nn.HingeEmbeddingLoss(),
            "labels": nn.MultiLabelSoftMarginLoss(),
        }

    @staticmethod
    def others() -> tuple[str, ...]:
        return ("classes", "ctc", "kl", "gauss", "classes_margin", "cosine", "triplet", "rank")

    def forward(self, x: Tensor) -> Tensor:
        x = self.inner(x).tanh()
        out = {name: head(x) for name, head in self.heads.items()}
        rows = len(x)
        ones = x.new_ones(rows)
        positive = x.new_ones(rows, 5)
        classes = torch.arange(rows) % 5
        losses = [loss(out[name], positive) for name, loss in self.of_values().items()]
        losses.append(nn.CrossEntropyLoss(label_smoothing=0.1)(out["classes"], classes))
        steps = out["ctc"].log_softmax(-1).unsqueeze(1)
        losses.append(nn.CTCLoss()(steps, torch.tensor([[1, 2]]), (rows,), (2,)))
        losses.append(nn.KLDivLoss(reduction="batchmean")(out["kl"].log_softmax(-1), positive / 5))
        losses.append(nn.GaussianNLLLoss()(out["gauss"], positive, out["gauss"].exp()))
        losses.append(nn.MultiMarginLoss()(out["classes_margin"], classes))
        losses.append(nn.CosineEmbeddingLoss()(out["cosine"], positive, ones))
        losses.append(nn.TripletMarginLoss()(out["triplet"], positive, -positive))
        losses.append(nn.MarginRankingLoss()(out["rank"].sum(-1), ones, ones))
        return torch.stack(losses).sum()


def lazy() -> nn.Module:
    """Lazy layers that have seen their first input."""
    model = nn.Sequential(
        nn.LazyConv2d(8, 3),
        nn.LazyBatchNorm2d(),
        nn.ReLU(),
        nn.LazyConvTranspose2d(4, 3),
        nn.Flatten(),
        nn.LazyLinear(5),
    )
    model(torch.randn(2, 3, 8, 8))
    return model


# Parametrizations


def old_weight_norm(module: nn.Module, dim: int | None = 0) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # deprecated, and in many models
        return nn.utils.weight_norm(module, dim=dim)


def two_convolutions(wrap: Callable[[nn.Module], nn.Module]) -> nn.Module:
    return nn.Sequential(
        wrap(nn.Conv2d(3, 6, 3)),
        nn.LeakyReLU(0.2),
        wrap(nn.ConvTranspose2d(6, 4, 3, stride=2)),
        nn.Flatten(),
        wrap(nn.Linear(4 * 13 * 13, 5)),
    )


def orthogonal(map: str, trivialized: bool) -> nn.Module:
    def wrap(module: nn.Module) -> nn.Module:
        return parametrizations.orthogonal(
            module, orthogonal_map=map, use_trivialization=trivialized
        )

    return nn.Sequential(
        wrap(nn.Linear(12, 12)), nn.Tanh(), wrap(nn.Linear(12, 8)), nn.Tanh(), nn.Linear(8, 3)
    )


def pruned() -> nn.Module:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(8 * 4 * 4, 6),
        nn.ReLU(),
        nn.Linear(6, 4),
    )
    prune.l1_unstructured(model[0], "weight", amount=0.4)
    prune.ln_structured(model[2], "weight", amount=0.5, n=2, dim=0)
    prune.random_unstructured(model[2], "bias", amount=2)
    # A second method on the same weight composes the masks.
    prune.random_unstructured(model[5], "weight", amount=0.3)
    prune.l1_unstructured(model[5], "weight", amount=0.3)
    prune.identity(model[7], "weight")
    return model


class Symmetric(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return weight.triu() + weight.triu(1).transpose(-1, -2)


class Standardised(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        mean = weight.mean((1, 2, 3), keepdim=True)
        return (weight - mean) / weight.std((1, 2, 3), keepdim=True)


class LowRank(nn.Module):
    """A parametrization with parameters of its own."""

    def __init__(self, rows: int, columns: int, rank: int) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.randn(rank, columns) / columns**0.5)
        self.up = nn.Parameter(torch.randn(rows, rank) / rank**0.5)

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.up @ self.down


def custom_parametrization() -> nn.Module:
    conv, square, low = nn.Conv2d(3, 4, 3), nn.Linear(16, 16), nn.Linear(16, 5)
    parametrize.register_parametrization(conv, "weight", Standardised())
    parametrize.register_parametrization(square, "weight", Symmetric())
    parametrize.register_parametrization(low, "weight", LowRank(5, 16, 2))
    return nn.Sequential(conv, nn.ReLU(), nn.Flatten(), square, nn.ReLU(), low)


class Shapes(nn.Module):
    """A linear layer on a vector, on rows, and on a block of four axes."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.Linear(8, 6)
        self.block = nn.Linear(6, 5, bias=False)
        self.vector = nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        rows = self.rows(x).relu()
        block = self.block(rows.reshape(2, 2, 3, 6)).tanh()
        return self.vector(block.mean((0, 1, 2)))


def _subjects() -> list[Subject]:
    found = [
        subject(
            "Linear",
            "linear",
            lambda: nn.Sequential(
                nn.Linear(8, 16),
                nn.ReLU(),
                nn.Linear(16, 12, bias=False),
                nn.Tanh(),
                nn.Linear(12, 3),
            ),
            normal(6, 8),
        ),
        subject("Linear shapes", "linear", Shapes, normal(12, 8)),
        subject("Bilinear", "linear", lambda: Pair(bias=True), normal(6, 8)),
        subject("Bilinear no bias", "linear", lambda: Pair(bias=False), normal(6, 8)),
        subject("ConvTranspose output_size", "conv", OutputSize, normal(2, 3, 8, 8)),
        subject(
            "Conv2d unbatched",
            "conv",
            lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3)),
            normal(3, 8, 8),
        ),
    ]
    for dimensions in CONVOLUTIONS:
        shape = (2, 4) + (8,) * dimensions
        found.extend(
            subject(
                f"Conv{dimensions}d {mode}",
                "conv",
                lambda d=dimensions, m=mode: convolutional(d, m),
                normal(*shape),
            )
            for mode in PADDING_MODES
        )
        found.append(
            subject(
                f"Conv{dimensions}d padding by name",
                "conv",
                lambda d=dimensions: padded_by_name(d),
                normal(*shape),
            )
        )
        found.append(
            subject(
                f"ConvTranspose{dimensions}d",
                "conv",
                lambda d=dimensions: transposed(d),
                normal(2, 4, *(4,) * dimensions),
            )
        )
        found.append(
            subject(
                f"BatchNorm{dimensions}d",
                "norm",
                lambda d=dimensions: normed(d, BATCH_NORMS[d]),
                normal(4, 3, *(8,) * dimensions),
            )
        )
        found.append(
            subject(
                f"InstanceNorm{dimensions}d affine",
                "norm",
                lambda d=dimensions: normed(d, lambda c: INSTANCE_NORMS[d](c, affine=True)),
                normal(4, 3, *(8,) * dimensions),
            )
        )
    return (
        found + _embeddings() + _recurrent() + _attention() + _norms() + _parametrized() + _whole()
    )


def _embeddings() -> list[Subject]:
    def embedding(**switches: object) -> nn.Module:
        return nn.Sequential(
            nn.Embedding(50, 12, **switches), nn.Flatten(), nn.ReLU(), nn.Linear(60, 4)
        )

    return [
        subject("Embedding", "embedding", embedding, lambda: tokens(50, 6, 5)),
        subject(
            "Embedding padding_idx",
            "embedding",
            lambda: embedding(padding_idx=0),
            lambda: tokens(50, 6, 5),
        ),
        subject(
            "Embedding max_norm",
            "embedding",
            lambda: embedding(max_norm=2.0),
            lambda: tokens(50, 6, 5),
        ),
        subject("EmbeddingBag sum", "embedding", lambda: Bags("sum"), bag_inputs),
        subject("EmbeddingBag mean", "embedding", lambda: Bags("mean"), bag_inputs),
        subject("EmbeddingBag max", "embedding", lambda: Bags("max"), bag_inputs),
        subject("EmbeddingBag weighted", "embedding", lambda: Bags("sum", True), bag_inputs),
    ]


def _recurrent() -> list[Subject]:
    def ids() -> Tensor:
        return tokens(40, 4, 7)

    def padded() -> tuple[Tensor, Tensor]:
        return tokens(40, 4, 7), torch.tensor([3, 7, 5, 1])

    return [
        subject("RNN tanh", "recurrent", lambda: Recurrent(nn.RNN(6, 10), 10), ids),
        subject(
            "RNN relu",
            "recurrent",
            lambda: Recurrent(nn.RNN(6, 10, 2, nonlinearity="relu", bias=False), 10),
            ids,
        ),
        subject("LSTM", "recurrent", lambda: Recurrent(nn.LSTM(6, 10), 10), ids),
        subject(
            "LSTM layers bidirectional dropout batch_first",
            "recurrent",
            lambda: Recurrent(
                nn.LSTM(6, 10, 2, batch_first=True, dropout=0.2, bidirectional=True), 20
            ),
            ids,
        ),
        subject(
            "LSTM proj",
            "recurrent",
            lambda: Recurrent(nn.LSTM(6, 10, 2, proj_size=4, bidirectional=True), 8),
            ids,
        ),
        subject(
            "LSTM no bias", "recurrent", lambda: Recurrent(nn.LSTM(6, 10, 2, bias=False), 10), ids
        ),
        subject(
            "LSTM packed",
            "recurrent",
            lambda: Recurrent(nn.LSTM(6, 10, 2, batch_first=True, bidirectional=True), 20),
            padded,
        ),
        subject("GRU", "recurrent", lambda: Recurrent(nn.GRU(6, 10), 10), ids),
        subject(
            "GRU packed",
            "recurrent",
            lambda: Recurrent(nn.GRU(6, 10, 2, batch_first=True, dropout=0.1), 10),
            padded,
        ),
        subject(
            "GRU bidirectional no bias",
            "recurrent",
            lambda: Recurrent(nn.GRU(6, 10, 2, bias=False, bidirectional=True), 20),
            ids,
        ),
        subject("GRU first state learned", "recurrent", StartsLearned, normal(4, 7, 6)),
        subject("cells", "recurrent", Cells, normal(5, 3, 6)),
    ]


def _attention() -> list[Subject]:
    def attention(
        name: str, model: Callable[[], nn.Module], inputs: Callable[[], object]
    ) -> Subject:
        return subject(f"MultiheadAttention {name}", "attention", model, inputs)

    rows = normal(7, 3, 16)
    no_weights: dict[str, object] = {"need_weights": False}
    per_head: dict[str, object] = {"average_attn_weights": False}
    return [
        attention("self", SelfAttention, rows),
        attention("self no weights", lambda: SelfAttention(no_weights), rows),
        attention("self per head", lambda: SelfAttention(per_head), rows),
        attention("self no bias", lambda: SelfAttention(bias=False), rows),
        attention(
            "self batch_first",
            lambda: SelfAttention(no_weights, batch_first=True),
            normal(3, 7, 16),
        ),
        attention("self bias_kv", lambda: SelfAttention(add_bias_kv=True), rows),
        attention(
            "self bias_kv zero no weights",
            lambda: SelfAttention(no_weights, add_bias_kv=True, add_zero_attn=True),
            rows,
        ),
        attention("self dropout", lambda: SelfAttention(dropout=0.1), rows),
        attention(
            "self masked",
            lambda: SelfAttention({"attn_mask": causal(7), "key_padding_mask": None}),
            rows,
        ),
        attention(
            "self causal",
            lambda: SelfAttention({**no_weights, "attn_mask": causal(7), "is_causal": True}),
            rows,
        ),
        attention(
            "self padded",
            lambda: SelfAttention({**no_weights, "key_padding_mask": padding(3, 7)}),
            rows,
        ),
        attention("self unbatched", SelfAttention, normal(7, 16)),
        attention("cross", CrossAttention, cross()),
        attention("cross no weights", lambda: CrossAttention(no_weights), cross()),
        attention("cross kdim vdim", lambda: CrossAttention(kdim=10, vdim=6), cross(10, 6)),
        attention(
            "cross kdim vdim bias_kv no bias",
            lambda: CrossAttention(no_weights, kdim=10, vdim=6, add_bias_kv=True, bias=False),
            cross(10, 6),
        ),
        attention(
            "cross padded per head",
            lambda: CrossAttention({**per_head, "key_padding_mask": padding(3, 9)}),
            cross(),
        ),
        attention(
            "cross one memory",
            lambda: CrossAttention(no_weights),
            lambda: (torch.randn(7, 3, 16), *(torch.randn(9, 3, 16),) * 2),
        ),
        subject("TransformerEncoder", "transformer", Encoder, lambda: tokens(40, 7, 3)),
        subject(
            "TransformerEncoder norm_first gelu",
            "transformer",
            lambda: Encoder(masked=True, norm_first=True, activation="gelu", bias=False),
            lambda: tokens(40, 7, 3),
        ),
        subject(
            "TransformerDecoder",
            "transformer",
            Decoder,
            lambda: (tokens(40, 3, 7), torch.randn(3, 5, 16)),
        ),
        subject(
            "TransformerDecoder norm_first gelu",
            "transformer",
            lambda: Decoder(norm_first=True, activation="gelu", dropout=0.0),
            lambda: (tokens(40, 3, 7), torch.randn(3, 5, 16)),
        ),
        subject("Transformer", "transformer", Whole, lambda: (tokens(40, 3, 7), tokens(30, 3, 5))),
        subject(
            "Transformer norm_first gelu",
            "transformer",
            lambda: Whole(norm_first=True, activation="gelu"),
            lambda: (tokens(40, 3, 7), tokens(30, 3, 5)),
        ),
    ]


def _norms() -> list[Subject]:
    image = normal(4, 3, 10, 10)
    return [
        subject("LayerNorm", "norm", lambda: norm_of_rows(lambda: nn.LayerNorm(12)), normal(6, 8)),
        subject(
            "LayerNorm no bias",
            "norm",
            lambda: norm_of_rows(lambda: nn.LayerNorm(12, bias=False)),
            normal(6, 8),
        ),
        subject(
            "LayerNorm of three axes",
            "norm",
            lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.LayerNorm([4, 8, 8]), nn.ReLU()),
            image,
        ),
        subject("RMSNorm", "norm", lambda: norm_of_rows(lambda: nn.RMSNorm(12)), normal(6, 8)),
        subject("GroupNorm", "norm", lambda: normed(2, lambda c: nn.GroupNorm(4, c)), image),
        subject(
            "BatchNorm1d of rows",
            "norm",
            lambda: norm_of_rows(lambda: nn.BatchNorm1d(12)),
            normal(6, 8),
        ),
        subject(
            "BatchNorm2d no running statistics",
            "norm",
            lambda: normed(2, lambda c: nn.BatchNorm2d(c, track_running_stats=False)),
            image,
        ),
        subject(
            "BatchNorm2d frozen statistics",
            "norm",
            lambda: normed(2, lambda c: _StaysInEval(c)),
            image,
        ),
        subject(
            "InstanceNorm2d running statistics",
            "norm",
            lambda: normed(
                2, lambda c: nn.InstanceNorm2d(c, affine=True, track_running_stats=True)
            ),
            image,
        ),
        subject(
            "LocalResponseNorm",
            "norm",
            lambda: normed(2, lambda c: nn.LocalResponseNorm(3)),
            image,
        ),
        subject(
            "CrossMapLRN2d",
            "norm",
            lambda: normed(2, lambda c: nn.CrossMapLRN2d(3)),
            image,
        ),
        subject(
            "PReLU",
            "activation",
            lambda: nn.Sequential(
                nn.Conv2d(3, 8, 3), nn.PReLU(), nn.Conv2d(8, 6, 3), nn.PReLU(6), nn.Conv2d(6, 2, 3)
            ),
            image,
        ),
        subject(
            "AdaptiveLogSoftmaxWithLoss",
            "loss",
            lambda: AdaptiveSoftmax(head_bias=False),
            lambda: (torch.randn(40, 8), tokens(60, 40)),
        ),
        subject(
            "AdaptiveLogSoftmaxWithLoss head_bias",
            "loss",
            lambda: AdaptiveSoftmax(head_bias=True),
            lambda: (torch.randn(40, 8), tokens(60, 40)),
        ),
    ]


def _whole() -> list[Subject]:
    """What has no parameters, between layers that have."""
    image = normal(2, 3, 8, 8)
    found = [
        subject("activations", "activation", lambda: activations(inplace=False), normal(4, 6)),
        subject("activations inplace", "activation", lambda: activations(True), normal(4, 6)),
        subject("pools, pads, shuffles", "reshape", reshaping, image),
        subject("MaxUnpool2d", "reshape", Unpooled, normal(2, 3, 10, 10)),
        subject("losses", "loss", Losses, normal(6, 8)),
        subject("lazy", "lazy", lazy, image),
    ]
    if hasattr(nn, "LinearCrossEntropyLoss"):  # since torch 2.13
        found.extend(
            subject(
                f"LinearCrossEntropyLoss{' in chunks' if chunked else ''}",
                "loss",
                lambda c=chunked: CrossEntropy(bias=not c, chunked=c),
                lambda: (torch.randn(20, 8), tokens(10, 20)),
            )
            for chunked in (False, True)
        )
    return found


class _StaysInEval(nn.BatchNorm2d):
    """A batch norm that is fine-tuned with the statistics it came with."""

    def train(self, mode: bool = True) -> _StaysInEval:
        super().train(False)
        return self


def _parametrized() -> list[Subject]:
    image = normal(2, 3, 8, 8)
    found = [
        subject(
            "weight_norm old", "parametrized", lambda: two_convolutions(old_weight_norm), image
        ),
        subject(
            "weight_norm old whole",
            "parametrized",
            lambda: two_convolutions(lambda module: old_weight_norm(module, dim=None)),
            image,
        ),
        subject(
            "weight_norm new",
            "parametrized",
            lambda: two_convolutions(parametrizations.weight_norm),
            image,
        ),
        subject(
            "spectral_norm old",
            "parametrized",
            lambda: two_convolutions(nn.utils.spectral_norm),
            image,
        ),
        subject(
            "spectral_norm new",
            "parametrized",
            lambda: two_convolutions(parametrizations.spectral_norm),
            image,
        ),
        subject("pruned", "parametrized", pruned, image),
        subject("parametrized by hand", "parametrized", custom_parametrization, normal(4, 3, 4, 4)),
    ]
    for map in ("matrix_exp", "cayley", "householder"):
        for trivialized in (True, False):
            name = f"orthogonal {map}{' trivialized' if trivialized else ''}"
            found.append(
                subject(
                    name,
                    "parametrized",
                    lambda m=map, t=trivialized: orthogonal(m, t),
                    normal(6, 12),
                )
            )
    return found


SUBJECTS: tuple[Subject, ...] = tuple(_subjects())
