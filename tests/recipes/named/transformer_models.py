"""Small transformers, of configs and by hand, for the tests of recipes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.zoo import torchvision_ops

torchvision_ops.declare()  # before transformers is imported

import transformers  # noqa: E402

WORDS = 40


def ids(length: int = 6) -> Tensor:
    return torch.randint(2, WORDS, (2, length), generator=torch.Generator().manual_seed(1))


def from_config(model: str, config: str, **values: Any) -> nn.Module:
    torch.manual_seed(0)
    special = {"bos_token_id": 1, "eos_token_id": 1, "pad_token_id": None}
    made = getattr(transformers, config)(**(special | values))
    built: nn.Module = getattr(transformers, model)(made)
    return built.eval()


def gpt2_model(layers: int = 3) -> nn.Module:
    return from_config(
        "GPT2LMHeadModel", "GPT2Config", vocab_size=WORDS, n_embd=16, n_layer=layers, n_head=2,
        n_positions=8,
    )  # fmt: skip


def bert_model(layers: int = 2) -> nn.Module:
    return from_config(
        "BertModel", "BertConfig", vocab_size=WORDS, hidden_size=16, num_hidden_layers=layers,
        num_attention_heads=2, intermediate_size=32, max_position_embeddings=8, pad_token_id=0,
    )  # fmt: skip


def llama_model(layers: int = 2) -> nn.Module:
    return from_config(
        "LlamaForCausalLM", "LlamaConfig", vocab_size=WORDS, hidden_size=16,
        num_hidden_layers=layers, num_attention_heads=2, num_key_value_heads=1,
        intermediate_size=32,
    )  # fmt: skip


def neox_model(layers: int = 3) -> nn.Module:
    return from_config(
        "GPTNeoXForCausalLM", "GPTNeoXConfig", vocab_size=WORDS, hidden_size=16,
        num_hidden_layers=layers, num_attention_heads=2, intermediate_size=32,
    )  # fmt: skip


def mixtral_model() -> nn.Module:
    return from_config(
        "MixtralForCausalLM", "MixtralConfig", vocab_size=WORDS, hidden_size=16,
        num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, intermediate_size=32,
        num_local_experts=4,
    )  # fmt: skip


def vit_model() -> nn.Module:
    return from_config(
        "ViTForImageClassification", "ViTConfig", hidden_size=16, num_hidden_layers=2,
        num_attention_heads=2, intermediate_size=32, image_size=16, patch_size=8,
    )  # fmt: skip


def t5_model(**values: Any) -> nn.Module:
    return from_config(
        "T5ForConditionalGeneration", "T5Config", vocab_size=WORDS, d_model=16, d_kv=4, d_ff=32,
        num_layers=2, num_decoder_layers=1, num_heads=2, decoder_start_token_id=0, pad_token_id=0,
        **values,
    )  # fmt: skip


def images() -> Tensor:
    return torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def vectors(length: int = 5, width: int = 16) -> Tensor:
    return torch.randn(2, length, width, generator=torch.Generator().manual_seed(1))


class Attention(nn.Module):
    """Self-attention with weights of its own for query, key and value; or packed."""

    def __init__(self, width: int, heads: int = 2, *, packed: bool = False) -> None:
        super().__init__()
        self.heads, self.packed = heads, packed
        if packed:
            self.qkv = nn.Linear(width, 3 * width)
        else:
            self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))
        self.o = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        three = self.qkv(x).chunk(3, -1) if self.packed else (self.q(x), self.k(x), self.v(x))
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in three)
        made = F.scaled_dot_product_attention(q, k, v)
        return self.o(made.transpose(1, 2).flatten(2))


class PostNorm(nn.Module):
    """norm(alpha omega x + f(x)) over attention and MLP; omega where wanted; norms where wanted."""

    def __init__(
        self, width: int, *, alpha: float = 1.0, omega: bool = False, norm: bool = True,
        packed: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.alpha = alpha
        self.mixer = Attention(width, packed=packed)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) if norm else nn.Identity() for _ in "ab")
        self.omegas = nn.ParameterList(torch.ones(width) for _ in "ab") if omega else None

    def skip(self, x: Tensor, place: int) -> Tensor:
        scaled = x if self.alpha == 1.0 else self.alpha * x
        return scaled if self.omegas is None else scaled * self.omegas[place]

    def forward(self, x: Tensor) -> Tensor:
        x = self.norms[0](self.skip(x, 0) + self.mixer(x))
        return self.norms[1](self.skip(x, 1) + self.down(F.relu(self.up(x))))


def stacked(layers: int, width: int = 16, **values: Any) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(*(PostNorm(width, **values) for _ in range(layers))).eval()
