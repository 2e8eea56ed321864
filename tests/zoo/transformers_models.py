"""Small models of transformers, made from configs: nothing is downloaded."""

from __future__ import annotations

import contextlib
import copy
import os
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from tests.zoo.subject import Subject
from tests.zoo.torchvision_ops import declare

Config = dict[str, Any]
Inputs = Callable[[], dict[str, Any]]

VOCABULARY = 99
IMAGE_TOKEN = 98
LENGTH = 10
BATCH = 2

CAUSAL = "AutoModelForCausalLM"
MASKED = "AutoModelForMaskedLM"
SEQ2SEQ = "AutoModelForSeq2SeqLM"
CLASSES = "AutoModelForSequenceClassification"
TOKENS = "AutoModelForTokenClassification"
ANSWERS = "AutoModelForQuestionAnswering"
CHOICE = "AutoModelForMultipleChoice"
IMAGES = "AutoModelForImageClassification"
SEGMENTS = "AutoModelForSemanticSegmentation"
DETECTION = "AutoModelForObjectDetection"
SPEECH = "AutoModelForCTC"
SOUNDS = "AutoModelForAudioClassification"
HEADLESS = "AutoModel"


# What goes in


def words(length: int = LENGTH) -> Tensor:
    """Token ids between the special ones."""
    return torch.randint(5, IMAGE_TOKEN, (BATCH, length))


def label() -> Tensor:
    return torch.randint(0, 2, (BATCH,))


def continued() -> dict[str, Any]:
    ids = words()
    return {"input_ids": ids, "labels": ids}


def text() -> dict[str, Any]:
    return {"input_ids": words()}


def padded() -> dict[str, Any]:
    mask = torch.ones(BATCH, LENGTH, dtype=torch.long)
    mask[-1, -3:] = 0
    return {"input_ids": words(), "attention_mask": mask}


def classified() -> dict[str, Any]:
    return {**padded(), "labels": label()}


def tagged() -> dict[str, Any]:
    return {**padded(), "labels": torch.randint(0, 2, (BATCH, LENGTH))}


def answered() -> dict[str, Any]:
    ends = {name: torch.randint(0, LENGTH, (BATCH,)) for name in ("start", "end")}
    return {**padded(), **{f"{name}_positions": place for name, place in ends.items()}}


def chosen() -> dict[str, Any]:
    return {"input_ids": words().view(1, BATCH, LENGTH), "labels": torch.tensor([1])}


def translated() -> dict[str, Any]:
    return {**padded(), "labels": words(7)}


def image(size: int, channels: int = 3) -> Callable[[], Tensor]:
    return lambda: torch.randn(BATCH, channels, size, size)


def pictures(size: int, labelled: bool = True) -> Inputs:
    def inputs() -> dict[str, Any]:
        labels = {"labels": label()} if labelled else {}
        return {"pixel_values": image(size)(), **labels}

    return inputs


def segmented(size: int) -> Inputs:
    return lambda: {
        "pixel_values": image(size)(),
        "labels": torch.randint(0, 2, (BATCH, size, size)),
    }


def boxed(size: int) -> Inputs:
    def target() -> dict[str, Tensor]:
        return {
            "class_labels": torch.randint(0, 2, (3,)),
            "boxes": torch.rand(3, 4) / 2 + 0.1,
        }

    return lambda: {
        "pixel_values": image(size)(),
        "labels": [target() for _ in range(BATCH)],
    }


def waves(length: int, labels: Callable[[], Tensor] | None = None) -> Inputs:
    def inputs() -> dict[str, Any]:
        wave = {"input_values": torch.randn(BATCH, length)}
        return wave if labels is None else {**wave, "labels": labels()}

    return inputs


def transcript() -> Tensor:
    return torch.randint(1, 30, (BATCH, 4))


def matched(size: int) -> Inputs:
    return lambda: {**padded(), "pixel_values": image(size)()}


def observed() -> dict[str, Any]:
    """Ten steps of the past with their features, four of the future."""
    return {
        "past_values": torch.randn(BATCH, 10),
        "past_time_features": torch.randn(BATCH, 10, 1),
        "past_observed_mask": torch.ones(BATCH, 10),
        "static_categorical_features": torch.randint(0, 5, (BATCH, 1)),
        "future_values": torch.randn(BATCH, 4),
        "future_time_features": torch.randn(BATCH, 4, 1),
    }


def illustrated(size: int, patches: int) -> Inputs:
    """Text in which an image stands, a token for each of its patches."""

    def inputs() -> dict[str, Any]:
        place = torch.full((BATCH, patches), IMAGE_TOKEN)
        ids = torch.cat([place, words()], 1)
        return {"input_ids": ids, "pixel_values": image(size)(), "labels": ids}

    return inputs


# How small


def small(**others: Any) -> Config:
    """What most models of text call their sizes."""
    return {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "max_position_embeddings": 64,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        **others,
    }


def grouped(**others: Any) -> Config:
    """With fewer heads for keys and values."""
    return small(num_key_value_heads=2, **others)


def sparse(**others: Any) -> Config:
    """With experts."""
    return grouped(
        **{"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24, **others}
    )


def old(**others: Any) -> Config:
    """GPT-2's names."""
    return {
        "vocab_size": VOCABULARY,
        "n_embd": 32,
        "n_layer": 2,
        "n_head": 4,
        "n_positions": 64,
        "n_inner": 48,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        **others,
    }


def marian(**others: Any) -> Config:
    """BART's names."""
    return {
        "vocab_size": VOCABULARY,
        "d_model": 32,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 48,
        "decoder_ffn_dim": 48,
        "max_position_embeddings": 64,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "decoder_start_token_id": 3,
        **others,
    }


def t5(**others: Any) -> Config:
    return {
        "vocab_size": VOCABULARY,
        "d_model": 32,
        "d_kv": 8,
        "d_ff": 48,
        "num_layers": 2,
        "num_decoder_layers": 2,
        "num_heads": 4,
        "pad_token_id": 0,
        "eos_token_id": 2,
        "decoder_start_token_id": 0,
        **others,
    }


def forecaster() -> Config:
    return {
        "prediction_length": 4,
        "context_length": 8,
        "lags_sequence": [1, 2],
        "num_time_features": 1,
        "num_static_categorical_features": 1,
        "cardinality": [5],
        "embedding_dimension": [4],
        "d_model": 16,
        "encoder_layers": 1,
        "decoder_layers": 1,
        "encoder_ffn_dim": 24,
        "decoder_ffn_dim": 24,
    }


def vision(**others: Any) -> Config:
    """ViT's names."""
    return {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "image_size": 32,
        "patch_size": 8,
        **others,
    }


def hubert(**others: Any) -> Config:
    """Wav2vec's names."""
    return {
        "vocab_size": 32,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "conv_dim": [16, 16, 16],
        "conv_kernel": [10, 3, 3],
        "conv_stride": [5, 2, 2],
        "num_feat_extract_layers": 3,
        "num_conv_pos_embeddings": 8,
        "num_conv_pos_embedding_groups": 2,
        "mask_time_length": 2,
        "mask_time_prob": 0.1,
        "apply_spec_augment": False,
        "ctc_loss_reduction": "mean",
        "classifier_proj_size": 16,
        "pad_token_id": 0,
        **others,
    }


def pair(name: str = "hidden_size", **others: Any) -> Config:
    """CLIP's: one config of text, one of images."""
    return {
        "text_config": small(**{name: 32}, projection_dim=16),
        "vision_config": vision(projection_dim=16),
        "projection_dim": 16,
        **others,
    }


# The models


class Entry:
    """One model type: its head, its config and what goes in."""

    def __init__(
        self,
        model_type: str,
        head: str,
        config: Config,
        inputs: Inputs,
        *,
        quick: bool = False,
    ) -> None:
        self.model_type, self.head = model_type, head
        self.config, self.inputs = config, inputs
        self.quick = quick

    def subject(self, place: int) -> Subject:
        attention = ("sdpa", "eager")[place % 2]

        def build() -> tuple[nn.Module, object]:
            with _quiet():
                try:
                    model = self.model(attention)
                except ValueError:
                    model = self.model("eager")  # many have nothing else
            return model.train(), self.inputs()

        return Subject(f"hf/{self.model_type}", self.model_type, build, self.quick)

    def model(self, attention: str) -> nn.Module:
        import transformers

        config = transformers.AutoConfig.for_model(
            self.model_type, attn_implementation=attention, **copy.deepcopy(self.config)
        )
        head: Any = getattr(transformers, self.head)
        return head.from_config(config) if self.head.startswith("Auto") else head(config)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    declare()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


ENCODERS = (
    Entry("bert", MASKED, small(), tagged, quick=True),
    Entry("roberta", CLASSES, small(), classified),
    Entry("albert", MASKED, small(embedding_size=16), tagged, quick=True),
    Entry("electra", TOKENS, small(embedding_size=16), tagged),
    Entry(
        "distilbert",
        ANSWERS,
        {"vocab_size": VOCABULARY, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48},
        answered,
    ),
    Entry(
        "deberta", CLASSES, small(pos_att_type=["c2p", "p2c"], relative_attention=True), classified
    ),
    Entry(
        "deberta-v2",
        MASKED,
        small(pos_att_type=["c2p", "p2c"], relative_attention=True),
        tagged,
        quick=True,
    ),
    Entry("camembert", CHOICE, small(), chosen),
    Entry("xlm-roberta", HEADLESS, small(), padded),
    Entry("roberta-prelayernorm", TOKENS, small(), tagged),
    Entry("xmod", MASKED, small(languages=["en", "de"], default_language="en"), tagged),
    Entry("data2vec-text", CLASSES, small(), classified),
    Entry("mpnet", MASKED, small(), tagged),
    Entry("convbert", CLASSES, small(embedding_size=16), classified, quick=True),
    Entry("squeezebert", CLASSES, small(embedding_size=32), classified),
    Entry(
        "mobilebert",
        MASKED,
        small(embedding_size=16, intra_bottleneck_size=16, true_hidden_size=16),
        tagged,
    ),
    Entry(
        "funnel",
        CLASSES,
        {
            "vocab_size": VOCABULARY,
            "block_sizes": [1, 1],
            "d_model": 32,
            "n_head": 4,
            "d_head": 8,
            "d_inner": 48,
            "num_decoder_layers": 1,
        },
        classified,
    ),
    Entry("fnet", MASKED, small(), continued, quick=True),
    Entry("ibert", CLASSES, small(), classified),
    Entry("yoso", CLASSES, small(), classified),
    Entry("mra", CLASSES, small(), classified),
    Entry("big_bird", CLASSES, small(attention_type="original_full"), classified),
    Entry("longformer", MASKED, small(attention_window=4), tagged),
    Entry("luke", HEADLESS, small(entity_vocab_size=20, entity_emb_size=16), padded),
    Entry("rembert", CLASSES, small(input_embedding_size=16, output_embedding_size=24), classified),
    Entry("roformer", MASKED, small(embedding_size=32), tagged),
    Entry("megatron-bert", MASKED, small(), tagged),
    Entry("ernie", MASKED, small(), tagged),
    Entry("nomic_bert", MASKED, small(), tagged),
    Entry(
        "modernbert",
        MASKED,
        small(global_attn_every_n_layers=2, local_attention=4, cls_token_id=3, sep_token_id=4),
        tagged,
        quick=True,
    ),
    Entry("eurobert", MASKED, grouped(), tagged),
    Entry("esm", MASKED, small(mask_token_id=4, position_embedding_type="rotary"), tagged),
    Entry(
        "flaubert",
        TOKENS,
        {
            "vocab_size": VOCABULARY,
            "emb_dim": 32,
            "n_layers": 2,
            "n_heads": 4,
            "max_position_embeddings": 64,
        },
        tagged,
    ),
    Entry(
        "xlm",
        CLASSES,
        {
            "vocab_size": VOCABULARY,
            "emb_dim": 32,
            "n_layers": 2,
            "n_heads": 4,
            "max_position_embeddings": 64,
        },
        classified,
    ),
    Entry(
        "xlnet",
        CLASSES,
        {"vocab_size": VOCABULARY, "d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 48},
        classified,
        quick=True,
    ),
    Entry(
        "canine",
        CLASSES,
        small(
            num_hash_functions=4,
            num_hash_buckets=32,
            local_transformer_stride=8,
            upsampling_kernel_size=4,
            downsampling_rate=2,
        ),
        classified,
    ),
    Entry(
        "perceiver",
        "PerceiverForMaskedLM",
        small(
            max_position_embeddings=LENGTH,
            d_model=32,
            d_latents=32,
            num_latents=6,
            num_blocks=1,
            num_self_attends_per_block=2,
            num_self_attention_heads=4,
            num_cross_attention_heads=4,
            qk_channels=32,
            v_channels=32,
        ),
        tagged,
        quick=True,
    ),
    Entry(
        "bros",
        HEADLESS,
        small(hidden_size=64),
        lambda: {**padded(), "bbox": torch.rand(BATCH, LENGTH, 8)},
    ),
    Entry("layoutlm", TOKENS, small(), tagged),
    Entry("lilt", TOKENS, small(hidden_size=48, channel_shrink_ratio=2), tagged),
    Entry("markuplm", TOKENS, small(), tagged),
    Entry("dpr", "DPRQuestionEncoder", small(), padded),
    Entry("splinter", HEADLESS, small(), padded),
    Entry("tapas", HEADLESS, small(), padded),
    Entry(
        "visual_bert",
        HEADLESS,
        small(visual_embedding_dim=20),
        lambda: {**text(), "visual_embeds": torch.randn(BATCH, 3, 20)},
    ),
)

DECODERS = (
    Entry("gpt2", CAUSAL, old(), continued, quick=True),
    Entry("openai-gpt", CAUSAL, old(), continued),
    Entry(
        "gpt_neo",
        CAUSAL,
        {
            "vocab_size": VOCABULARY,
            "hidden_size": 32,
            "num_layers": 2,
            "num_heads": 4,
            "attention_types": [[["global", "local"], 1]],
            "window_size": 4,
            "max_position_embeddings": 64,
            "bos_token_id": 1,
            "eos_token_id": 2,
        },
        continued,
    ),
    Entry("gpt_neox", CAUSAL, small(), continued, quick=True),
    Entry("gptj", CAUSAL, old(rotary_dim=4), continued),
    Entry("gpt_bigcode", CAUSAL, old(), continued),
    Entry("codegen", CAUSAL, old(rotary_dim=4), continued),
    Entry("ctrl", CAUSAL, old(dff=48), continued),
    Entry(
        "bloom",
        CAUSAL,
        {
            "vocab_size": VOCABULARY,
            "hidden_size": 32,
            "n_layer": 2,
            "n_head": 4,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "pad_token_id": 0,
        },
        continued,
        quick=True,
    ),
    Entry("opt", CAUSAL, small(ffn_dim=48, word_embed_proj_dim=16), continued),
    Entry(
        "mpt",
        CAUSAL,
        {"vocab_size": VOCABULARY, "d_model": 32, "n_layers": 2, "n_heads": 4, "max_seq_len": 64},
        continued,
    ),
    Entry("falcon", CAUSAL, small(alibi=False), continued),
    Entry("llama", CAUSAL, grouped(), continued, quick=True),
    Entry("mistral", CAUSAL, grouped(sliding_window=4), continued),
    Entry("gemma", CAUSAL, grouped(head_dim=8), continued),
    Entry("gemma2", CAUSAL, grouped(head_dim=8, sliding_window=4), continued, quick=True),
    Entry("gemma3_text", CAUSAL, grouped(head_dim=8, sliding_window=4), continued),
    Entry(
        "gemma3n_text",
        CAUSAL,
        grouped(
            num_hidden_layers=4,
            head_dim=8,
            sliding_window=4,
            vocab_size_per_layer_input=VOCABULARY,
            hidden_size_per_layer_input=8,
            num_kv_shared_layers=2,
            laurel_rank=4,
            activation_sparsity_pattern=[0.5, 0.0, 0.0, 0.0],
            layer_types=["sliding_attention", "full_attention"] * 2,
        ),
        continued,
    ),
    Entry("qwen2", CAUSAL, grouped(), continued),
    Entry("qwen3", CAUSAL, grouped(head_dim=8), continued),
    Entry("phi", CAUSAL, small(partial_rotary_factor=0.5), continued),
    Entry("phi3", CAUSAL, grouped(), continued),
    Entry("olmo", CAUSAL, grouped(), continued),
    Entry("olmo2", CAUSAL, grouped(), continued),
    Entry("stablelm", CAUSAL, grouped(), continued),
    Entry("starcoder2", CAUSAL, grouped(), continued),
    Entry("persimmon", CAUSAL, small(), continued),
    Entry("cohere", CAUSAL, grouped(), continued),
    Entry("cohere2", CAUSAL, grouped(sliding_window=4), continued),
    Entry("granite", CAUSAL, grouped(), continued),
    Entry("nemotron", CAUSAL, grouped(), continued),
    Entry("glm", CAUSAL, grouped(head_dim=8), continued),
    Entry("glm4", CAUSAL, grouped(head_dim=8), continued),
    Entry("exaone4", CAUSAL, grouped(), continued),
    Entry("helium", CAUSAL, grouped(head_dim=8), continued),
    Entry("smollm3", CAUSAL, grouped(), continued),
    Entry("seed_oss", CAUSAL, grouped(head_dim=8), continued),
    Entry("apertus", CAUSAL, grouped(), continued),
    Entry("arcee", CAUSAL, grouped(), continued),
    Entry("diffllama", CAUSAL, grouped(), continued),
    Entry("nanochat", CAUSAL, grouped(), continued),
    Entry("bitnet", CAUSAL, grouped(), continued),
    Entry("biogpt", CAUSAL, small(), continued),
    Entry(
        "xglm",
        CAUSAL,
        {
            "vocab_size": VOCABULARY,
            "d_model": 32,
            "num_layers": 2,
            "attention_heads": 4,
            "ffn_dim": 48,
            "max_position_embeddings": 64,
        },
        continued,
    ),
    Entry("imagegpt", "ImageGPTForCausalImageModeling", old(), continued),
    Entry(
        "modernbert-decoder",
        CAUSAL,
        small(local_attention=4, cls_token_id=3, sep_token_id=4),
        continued,
    ),
    Entry(
        "reformer",
        HEADLESS,
        {
            "vocab_size": VOCABULARY,
            "hidden_size": 32,
            "attention_head_size": 8,
            "num_attention_heads": 4,
            "feed_forward_size": 48,
            "attn_layers": ["local", "lsh"],
            "axial_pos_shape": [4, 5],
            "axial_pos_embds_dim": [8, 24],
            "local_attn_chunk_length": 4,
            "lsh_attn_chunk_length": 4,
            "num_buckets": 2,
            "is_decoder": True,
            "max_position_embeddings": 64,
        },
        lambda: {"input_ids": words(20)},
    ),
)

EXPERTS = (
    Entry(
        "mixtral",
        CAUSAL,
        grouped(num_local_experts=4, num_experts_per_tok=2, output_router_logits=True),
        continued,
        quick=True,
    ),
    Entry("qwen2_moe", CAUSAL, sparse(shared_expert_intermediate_size=24), continued),
    Entry("qwen3_moe", CAUSAL, sparse(head_dim=8), continued),
    Entry(
        "deepseek_v2",
        CAUSAL,
        small(
            num_key_value_heads=4,
            n_routed_experts=4,
            n_shared_experts=1,
            num_experts_per_tok=2,
            moe_intermediate_size=24,
            first_k_dense_replace=1,
            q_lora_rank=12,
            kv_lora_rank=8,
            qk_rope_head_dim=4,
            qk_nope_head_dim=8,
            v_head_dim=8,
            n_group=1,
            topk_group=1,
        ),
        continued,
    ),
    Entry(
        "deepseek_v3",
        CAUSAL,
        small(
            num_key_value_heads=4,
            n_routed_experts=4,
            n_shared_experts=1,
            num_experts_per_tok=2,
            moe_intermediate_size=24,
            first_k_dense_replace=1,
            q_lora_rank=12,
            kv_lora_rank=8,
            qk_rope_head_dim=4,
            qk_nope_head_dim=8,
            v_head_dim=8,
            n_group=2,
            topk_group=1,
        ),
        continued,
        quick=True,
    ),
    Entry("olmoe", CAUSAL, sparse(), continued),
    Entry("granitemoe", CAUSAL, grouped(num_local_experts=4, num_experts_per_tok=2), continued),
    Entry(
        "granitemoeshared",
        CAUSAL,
        grouped(num_local_experts=4, num_experts_per_tok=2, shared_intermediate_size=24),
        continued,
    ),
    Entry(
        "jetmoe",
        CAUSAL,
        {
            **small(),
            "num_key_value_heads": 2,
            "kv_channels": 8,
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
        },
        continued,
    ),
    Entry(
        "dbrx",
        CAUSAL,
        {
            "vocab_size": VOCABULARY,
            "d_model": 32,
            "n_heads": 4,
            "n_layers": 2,
            "max_seq_len": 64,
            "attn_config": {"kv_n_heads": 2, "clip_qkv": 8.0, "rope_theta": 10000.0},
            "ffn_config": {
                "hidden_size": 32,
                "ffn_hidden_size": 24,
                "moe_num_experts": 4,
                "moe_top_k": 2,
            },
        },
        continued,
    ),
    Entry(
        "gpt_oss",
        CAUSAL,
        grouped(head_dim=8, num_local_experts=4, num_experts_per_tok=2, sliding_window=4),
        continued,
        quick=True,
    ),
    Entry("phimoe", CAUSAL, grouped(num_local_experts=4, num_experts_per_tok=2), continued),
    Entry(
        "ernie4_5_moe",
        CAUSAL,
        grouped(
            moe_num_experts=4,
            moe_k=2,
            moe_intermediate_size=24,
            moe_layer_start_index=1,
            moe_num_shared_experts=1,
        ),
        continued,
    ),
    Entry(
        "glm4_moe",
        CAUSAL,
        grouped(
            head_dim=8,
            n_routed_experts=4,
            n_shared_experts=1,
            num_experts_per_tok=2,
            moe_intermediate_size=24,
            first_k_dense_replace=1,
        ),
        continued,
    ),
    Entry(
        "dots1",
        CAUSAL,
        grouped(
            n_routed_experts=4,
            n_shared_experts=1,
            num_experts_per_tok=2,
            moe_intermediate_size=24,
            first_k_dense_replace=1,
            n_group=1,
            topk_group=1,
        ),
        continued,
    ),
    Entry("hunyuan_v1_moe", CAUSAL, grouped(head_dim=8, num_experts=4, moe_topk=2), continued),
    Entry(
        "minimax",
        CAUSAL,
        grouped(
            head_dim=8,
            num_local_experts=4,
            num_experts_per_tok=2,
            block_size=4,
            layer_types=["linear_attention", "full_attention"],
        ),
        continued,
    ),
    Entry(
        "llama4_text",
        CAUSAL,
        grouped(
            head_dim=8,
            intermediate_size_mlp=48,
            num_local_experts=4,
            num_experts_per_tok=1,
            attention_chunk_size=8,
            interleave_moe_layer_step=1,
        ),
        continued,
    ),
    Entry("flex_olmo", CAUSAL, sparse(), continued),
    Entry(
        "longcat_flash",
        CAUSAL,
        small(
            num_layers=1,
            num_key_value_heads=4,
            ffn_hidden_size=48,
            expert_ffn_hidden_size=24,
            n_routed_experts=4,
            zero_expert_num=2,
            moe_topk=2,
            q_lora_rank=12,
            kv_lora_rank=8,
            qk_nope_head_dim=8,
            qk_rope_head_dim=4,
            head_dim=4,
            v_head_dim=8,
        ),
        continued,
    ),
    Entry(
        "lfm2_moe",
        CAUSAL,
        sparse(num_dense_layers=1, layer_types=["conv", "full_attention"]),
        continued,
    ),
    Entry("doge", CAUSAL, grouped(is_moe=True, num_experts=16, num_experts_per_tok=2), continued),
    Entry(
        "switch_transformers",
        SEQ2SEQ,
        t5(
            num_experts=4,
            expert_capacity=8,
            num_sparse_encoder_layers=1,
            num_sparse_decoder_layers=1,
        ),
        translated,
    ),
    Entry(
        "nllb-moe",
        SEQ2SEQ,
        marian(num_experts=4, expert_capacity=8, encoder_sparse_step=2, decoder_sparse_step=2),
        translated,
    ),
)

STATES = (
    Entry("mamba", CAUSAL, small(state_size=8, time_step_rank=4), continued, quick=True),
    Entry(
        "mamba2",
        CAUSAL,
        small(state_size=8, num_heads=8, head_dim=8, n_groups=2, chunk_size=4),
        continued,
        quick=True,
    ),
    Entry("falcon_mamba", CAUSAL, small(state_size=8, time_step_rank=4), continued),
    Entry("rwkv", CAUSAL, small(attention_hidden_size=32), continued),
    Entry(
        "jamba",
        CAUSAL,
        grouped(
            num_experts=4,
            num_experts_per_tok=2,
            attn_layer_period=2,
            attn_layer_offset=1,
            expert_layer_period=2,
            expert_layer_offset=1,
            mamba_d_state=8,
            mamba_dt_rank=4,
            use_mamba_kernels=False,
        ),
        continued,
    ),
    Entry(
        "zamba",
        CAUSAL,
        grouped(
            num_hidden_layers=5,
            attn_layer_period=2,
            attn_layer_offset=1,
            mamba_d_state=8,
            mamba_dt_rank=4,
            n_mamba_heads=2,
            use_mamba_kernels=False,
        ),
        continued,
    ),
    Entry(
        "zamba2",
        CAUSAL,
        small(
            num_hidden_layers=3,
            layers_block_type=["mamba", "hybrid", "hybrid"],
            mamba_d_state=8,
            mamba_headdim=8,
            n_mamba_heads=8,
            chunk_size=4,
            adapter_rank=4,
            use_mem_rope=True,
            num_mem_blocks=1,
            use_mamba_kernels=False,
        ),
        continued,
    ),
    Entry(
        "bamba",
        CAUSAL,
        grouped(
            attn_layer_indices=[1],
            mamba_n_heads=8,
            mamba_d_head=8,
            mamba_d_state=8,
            mamba_chunk_size=4,
        ),
        continued,
    ),
    Entry(
        "recurrent_gemma",
        CAUSAL,
        grouped(
            head_dim=8,
            lru_width=32,
            attention_window_size=8,
            block_types=["recurrent", "attention"],
        ),
        continued,
    ),
    Entry(
        "falcon_h1",
        CAUSAL,
        grouped(
            head_dim=8,
            mamba_d_ssm=64,
            mamba_n_heads=8,
            mamba_d_head=8,
            mamba_d_state=8,
            mamba_chunk_size=4,
        ),
        continued,
    ),
    Entry(
        "nemotron_h",
        CAUSAL,
        {
            **grouped(
                head_dim=8,
                ssm_state_size=8,
                mamba_num_heads=8,
                mamba_head_dim=8,
                n_groups=2,
                chunk_size=4,
                n_routed_experts=4,
                moe_intermediate_size=24,
                moe_shared_expert_intermediate_size=24,
                layers_block_type=["linear_attention", "moe", "full_attention", "mlp"],
            ),
            "num_hidden_layers": 4,
        },
        continued,
    ),
    Entry(
        "granitemoehybrid",
        CAUSAL,
        grouped(
            num_local_experts=4,
            num_experts_per_tok=2,
            shared_intermediate_size=24,
            layer_types=["mamba", "attention"],
            mamba_n_heads=8,
            mamba_d_head=8,
            mamba_d_state=8,
            mamba_chunk_size=4,
        ),
        continued,
    ),
    Entry(
        "qwen3_next",
        CAUSAL,
        sparse(
            head_dim=8,
            shared_expert_intermediate_size=24,
            linear_num_value_heads=4,
            linear_num_key_heads=2,
            linear_key_head_dim=8,
            linear_value_head_dim=8,
            layer_types=["linear_attention", "full_attention"],
        ),
        continued,
    ),
    Entry("lfm2", CAUSAL, grouped(layer_types=["conv", "full_attention"]), continued),
)

SEQUENCES = (
    Entry("t5", SEQ2SEQ, t5(), translated, quick=True),
    Entry("mt5", SEQ2SEQ, t5(feed_forward_proj="gated-gelu"), translated),
    Entry("umt5", SEQ2SEQ, t5(), translated),
    Entry(
        "longt5",
        SEQ2SEQ,
        t5(local_radius=4, global_block_size=4, encoder_attention_type="transient-global"),
        translated,
    ),
    Entry("bart", SEQ2SEQ, marian(), translated, quick=True),
    Entry("mbart", SEQ2SEQ, marian(), translated),
    Entry("pegasus", SEQ2SEQ, marian(), translated),
    Entry("pegasus_x", SEQ2SEQ, marian(block_size=4, num_global_tokens=2), translated),
    Entry("marian", SEQ2SEQ, marian(), translated),
    Entry("m2m_100", SEQ2SEQ, marian(), translated),
    Entry("blenderbot", SEQ2SEQ, marian(), translated),
    Entry("blenderbot-small", SEQ2SEQ, marian(), translated),
    Entry("plbart", SEQ2SEQ, marian(), translated),
    Entry("mvp", SEQ2SEQ, marian(use_prompt=True, prompt_length=4, prompt_mid_dim=8), translated),
    Entry(
        "led",
        SEQ2SEQ,
        marian(
            attention_window=4,
            max_encoder_position_embeddings=64,
            max_decoder_position_embeddings=64,
        ),
        translated,
    ),
    Entry("bigbird_pegasus", SEQ2SEQ, marian(attention_type="original_full"), translated),
    Entry(
        "fsmt",
        HEADLESS,
        marian(src_vocab_size=VOCABULARY, tgt_vocab_size=VOCABULARY, langs=["en", "de"]),
        lambda: {**padded(), "decoder_input_ids": words(7)},
    ),
    Entry(
        "prophetnet",
        SEQ2SEQ,
        {
            "vocab_size": VOCABULARY,
            "hidden_size": 32,
            "num_encoder_layers": 2,
            "num_decoder_layers": 2,
            "num_encoder_attention_heads": 4,
            "num_decoder_attention_heads": 4,
            "encoder_ffn_dim": 48,
            "decoder_ffn_dim": 48,
            "max_position_embeddings": 64,
            "ngram": 2,
            "decoder_start_token_id": 3,
        },
        translated,
    ),
    Entry(
        "t5gemma",
        SEQ2SEQ,
        {
            "encoder": grouped(head_dim=8),
            "decoder": grouped(head_dim=8, cross_attention_hidden_size=32),
            "vocab_size": VOCABULARY,
        },
        translated,
    ),
    Entry("time_series_transformer", "TimeSeriesTransformerForPrediction", forecaster(), observed),
    Entry("informer", "InformerForPrediction", forecaster(), observed),
    Entry(
        "patchtst",
        "PatchTSTForPrediction",
        {
            "num_input_channels": 3,
            "context_length": 16,
            "patch_length": 4,
            "patch_stride": 4,
            "d_model": 16,
            "num_attention_heads": 4,
            "num_hidden_layers": 2,
            "ffn_dim": 24,
            "prediction_length": 4,
        },
        lambda: {
            "past_values": torch.randn(BATCH, 16, 3),
            "future_values": torch.randn(BATCH, 4, 3),
        },
    ),
    Entry(
        "patchtsmixer",
        "PatchTSMixerForPrediction",
        {
            "num_input_channels": 3,
            "context_length": 16,
            "patch_length": 4,
            "patch_stride": 4,
            "d_model": 16,
            "num_layers": 2,
            "prediction_length": 4,
        },
        lambda: {
            "past_values": torch.randn(BATCH, 16, 3),
            "future_values": torch.randn(BATCH, 4, 3),
        },
    ),
    Entry(
        "decision_transformer",
        "DecisionTransformerModel",
        {
            "state_dim": 5,
            "act_dim": 3,
            "hidden_size": 32,
            "n_layer": 2,
            "n_head": 4,
            "max_ep_len": 32,
            "n_positions": 64,
        },
        lambda: {
            "states": torch.randn(BATCH, 6, 5),
            "actions": torch.randn(BATCH, 6, 3),
            "rewards": torch.randn(BATCH, 6, 1),
            "returns_to_go": torch.randn(BATCH, 6, 1),
            "timesteps": torch.arange(6).repeat(BATCH, 1),
            "attention_mask": torch.ones(BATCH, 6),
        },
    ),
)

EFFICIENT = {
    "image_size": 32,
    "width_coefficient": 0.25,
    "depth_coefficient": 0.3,
    "in_channels": [32, 16, 24],
    "kernel_sizes": [3, 3, 5],
    "out_channels": [16, 24, 40],
    "strides": [1, 2, 2],
    "num_block_repeats": [1, 2, 2],
    "expand_ratios": [1, 6, 6],
    "depthwise_padding": [],
    "hidden_dim": 320,
}

SWIN = {
    "image_size": 64,
    "patch_size": 2,
    "embed_dim": 8,
    "depths": [1, 1, 1, 1],
    "num_heads": [1, 2, 2, 4],
    "window_size": 4,
}

DETR = {
    "use_timm_backbone": False,
    "use_pretrained_backbone": False,
    "backbone": None,
    "d_model": 32,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "num_queries": 5,
}

SIZES = {"hidden_sizes": [16, 24, 32, 40], "depths": [1, 1, 1, 1]}

VISION = (
    Entry("vit", IMAGES, vision(), pictures(32), quick=True),
    Entry("deit", "DeiTForImageClassification", vision(), pictures(32)),
    Entry("beit", IMAGES, vision(use_relative_position_bias=True), pictures(32)),
    Entry("data2vec-vision", IMAGES, vision(use_shared_relative_position_bias=True), pictures(32)),
    Entry("dinov2", IMAGES, vision(), pictures(32)),
    Entry("dinov2_with_registers", IMAGES, vision(), pictures(32)),
    Entry("dinov3_vit", HEADLESS, vision(), pictures(32, False)),
    Entry("dinov3_convnext", HEADLESS, SIZES, pictures(32, False)),
    Entry("ijepa", IMAGES, vision(), pictures(32)),
    Entry(
        "hiera",
        IMAGES,
        {
            "embed_dim": 16,
            "image_size": [32, 32],
            "patch_size": [7, 7],
            "patch_stride": [4, 4],
            "patch_padding": [3, 3],
            "depths": [1, 1],
            "num_heads": [1, 2],
            "num_query_pool": 1,
            "query_stride": [2, 2],
            "masked_unit_size": [4, 4],
            "masked_unit_attention": [True, False],
            "embed_dim_multiplier": 2.0,
        },
        pictures(32),
    ),
    Entry(
        "vit_mae",
        "ViTMAEForPreTraining",
        vision(
            decoder_hidden_size=16,
            decoder_num_hidden_layers=1,
            decoder_num_attention_heads=2,
            decoder_intermediate_size=24,
        ),
        pictures(32, False),
    ),
    Entry("vit_msn", IMAGES, vision(), pictures(32)),
    Entry(
        "swin",
        IMAGES,
        {
            "image_size": 32,
            "patch_size": 2,
            "embed_dim": 16,
            "depths": [1, 2],
            "num_heads": [2, 4],
            "window_size": 4,
        },
        pictures(32),
        quick=True,
    ),
    Entry(
        "swinv2",
        IMAGES,
        {
            "image_size": 32,
            "patch_size": 2,
            "embed_dim": 16,
            "depths": [1, 2],
            "num_heads": [2, 4],
            "window_size": 4,
        },
        pictures(32),
        quick=True,
    ),
    Entry(
        "swin2sr",
        "Swin2SRForImageSuperResolution",
        {
            "image_size": 16,
            "patch_size": 1,
            "embed_dim": 16,
            "depths": [1, 1],
            "num_heads": [2, 2],
            "window_size": 4,
            "upscale": 2,
        },
        pictures(16, False),
    ),
    Entry("convnext", IMAGES, SIZES, pictures(32), quick=True),
    Entry("convnextv2", IMAGES, SIZES, pictures(32)),
    Entry(
        "resnet", IMAGES, {**SIZES, "embedding_size": 16, "layer_type": "bottleneck"}, pictures(32)
    ),
    Entry(
        "regnet",
        IMAGES,
        {**SIZES, "embedding_size": 16, "groups_width": 8, "layer_type": "y"},
        pictures(32),
    ),
    Entry("bit", IMAGES, {**SIZES, "embedding_size": 16, "num_groups": 4}, pictures(32)),
    Entry(
        "segformer",
        SEGMENTS,
        {
            "depths": [1, 1, 1, 1],
            "hidden_sizes": [8, 16, 24, 32],
            "num_attention_heads": [1, 2, 2, 4],
            "decoder_hidden_size": 16,
        },
        segmented(64),
        quick=True,
    ),
    Entry(
        "mobilevit",
        IMAGES,
        {
            "image_size": 64,
            "hidden_sizes": [16, 24, 32],
            "neck_hidden_sizes": [8, 8, 16, 16, 24, 24, 32],
            "num_attention_heads": 2,
            "expand_ratio": 2.0,
        },
        pictures(64),
    ),
    Entry(
        "mobilevitv2",
        IMAGES,
        {
            "image_size": 64,
            "width_multiplier": 0.25,
            "base_attn_unit_dims": [32, 48, 64],
            "n_attn_blocks": [1, 1, 1],
            "expand_ratio": 2.0,
        },
        pictures(64),
    ),
    Entry("mobilenet_v1", IMAGES, {"depth_multiplier": 0.25, "min_depth": 8}, pictures(32)),
    Entry("mobilenet_v2", IMAGES, {"depth_multiplier": 0.25}, pictures(32)),
    Entry("efficientnet", IMAGES, EFFICIENT, pictures(32)),
    Entry(
        "levit",
        "LevitForImageClassification",
        {
            "image_size": 64,
            "patch_size": 16,
            "hidden_sizes": [16, 24, 32],
            "num_attention_heads": [2, 2, 4],
            "depths": [1, 1, 1],
            "key_dim": [8, 8, 8],
        },
        pictures(64),
    ),
    Entry("poolformer", IMAGES, SIZES, pictures(64)),
    Entry(
        "pvt",
        IMAGES,
        {
            "image_size": 64,
            "depths": [1, 1, 1, 1],
            "hidden_sizes": [8, 16, 24, 32],
            "num_attention_heads": [1, 2, 2, 4],
        },
        pictures(64),
    ),
    Entry(
        "pvt_v2",
        IMAGES,
        {
            "image_size": 64,
            "depths": [1, 1, 1, 1],
            "hidden_sizes": [8, 16, 24, 32],
            "num_attention_heads": [1, 2, 2, 4],
        },
        pictures(64),
    ),
    Entry(
        "cvt",
        IMAGES,
        {"embed_dim": [8, 16, 32], "num_heads": [1, 2, 4], "depth": [1, 2, 3]},
        pictures(64),
    ),
    Entry(
        "focalnet",
        IMAGES,
        {
            "image_size": 32,
            "patch_size": 2,
            "embed_dim": 16,
            "depths": [1, 1],
            "hidden_sizes": [16, 32],
            "focal_levels": [2, 2],
            "focal_windows": [3, 3],
        },
        pictures(32),
    ),
    Entry(
        "swiftformer",
        IMAGES,
        {"image_size": 64, "depths": [1, 1, 1, 1], "embed_dims": [8, 16, 24, 32]},
        pictures(64),
    ),
    Entry(
        "glpn",
        "GLPNForDepthEstimation",
        {
            "depths": [1, 1, 1, 1],
            "hidden_sizes": [8, 16, 24, 32],
            "num_attention_heads": [1, 2, 2, 4],
            "decoder_hidden_size": 16,
        },
        lambda: {"pixel_values": image(64)(), "labels": torch.rand(BATCH, 64, 64) + 1},
    ),
    Entry(
        "dpt",
        SEGMENTS,
        vision(
            neck_hidden_sizes=[8, 16, 16, 16],
            fusion_hidden_size=16,
            num_hidden_layers=4,
            backbone_out_indices=[0, 1, 2, 3],
            is_hybrid=False,
        ),
        segmented(32),
    ),
    Entry(
        "upernet",
        SEGMENTS,
        {
            "backbone_config": {
                "model_type": "convnext",
                **SIZES,
                "out_features": ["stage1", "stage2", "stage3", "stage4"],
            },
            "hidden_size": 16,
            "auxiliary_channels": 8,
            "auxiliary_in_channels": 32,
            "pool_scales": [1, 2],
        },
        segmented(64),
    ),
    Entry("yolos", DETECTION, vision(image_size=[32, 32], num_detection_tokens=5), boxed(32)),
    Entry(
        "detr",
        DETECTION,
        {
            **DETR,
            "backbone_config": {
                "model_type": "resnet",
                **SIZES,
                "embedding_size": 16,
                "out_features": ["stage4"],
            },
        },
        boxed(64),
        quick=True,
    ),
    Entry(
        "conditional_detr",
        DETECTION,
        {
            **DETR,
            "backbone_config": {
                "model_type": "resnet",
                **SIZES,
                "embedding_size": 16,
                "out_features": ["stage4"],
            },
        },
        boxed(64),
    ),
    Entry(
        "deformable_detr",
        DETECTION,
        {
            **DETR,
            "backbone_config": {
                "model_type": "resnet",
                **SIZES,
                "embedding_size": 16,
                "out_features": ["stage2", "stage3", "stage4"],
            },
            "num_feature_levels": 3,
        },
        boxed(64),
    ),
    Entry(
        "maskformer",
        HEADLESS,
        {
            "backbone_config": {
                "model_type": "swin",
                **SWIN,
                "out_features": ["stage1", "stage2", "stage3", "stage4"],
            },
            "decoder_config": {"model_type": "detr", **DETR},
            "fpn_feature_size": 32,
            "mask_feature_size": 32,
        },
        pictures(64, False),
    ),
    Entry(
        "mask2former",
        HEADLESS,
        {
            "backbone_config": {
                "model_type": "swin",
                **SWIN,
                "out_features": ["stage1", "stage2", "stage3", "stage4"],
            },
            "feature_size": 32,
            "mask_feature_size": 32,
            "hidden_dim": 32,
            "encoder_feedforward_dim": 48,
            "dim_feedforward": 48,
            "encoder_layers": 1,
            "decoder_layers": 2,
            "num_attention_heads": 4,
            "num_queries": 5,
        },
        pictures(64, False),
    ),
    Entry(
        "sam",
        HEADLESS,
        {
            "vision_config": vision(
                mlp_dim=48,
                output_channels=16,
                global_attn_indexes=[1],
                window_size=3,
                num_pos_feats=8,
            ),
            "prompt_encoder_config": {
                "hidden_size": 16,
                "image_size": 32,
                "patch_size": 8,
                "mask_input_channels": 4,
            },
            "mask_decoder_config": {
                "hidden_size": 16,
                "mlp_dim": 24,
                "num_hidden_layers": 1,
                "num_attention_heads": 4,
                "iou_head_hidden_dim": 16,
            },
        },
        lambda: {"pixel_values": image(32)(), "input_points": torch.rand(BATCH, 1, 2, 2) * 32},
    ),
    Entry(
        "videomae",
        "VideoMAEForVideoClassification",
        vision(num_frames=4, tubelet_size=2),
        lambda: {"pixel_values": torch.randn(BATCH, 4, 3, 32, 32), "labels": label()},
    ),
    Entry(
        "vivit",
        "VivitForVideoClassification",
        vision(num_frames=4, tubelet_size=[2, 8, 8], video_size=[4, 32, 32]),
        lambda: {"pixel_values": torch.randn(BATCH, 4, 3, 32, 32), "labels": label()},
    ),
    Entry(
        "timesformer",
        "TimesformerForVideoClassification",
        vision(num_frames=4),
        lambda: {"pixel_values": torch.randn(BATCH, 4, 3, 32, 32), "labels": label()},
    ),
    Entry(
        "textnet",
        IMAGES,
        {
            "image_size": [64, 64],
            "stem_out_channels": 16,
            "hidden_sizes": [16, 16, 16, 24, 32],
            "conv_layer_kernel_sizes": [[[3, 3]], [[3, 1]], [[1, 3]], [[3, 3]]],
            "conv_layer_strides": [[1], [2], [2], [2]],
            "depths": [1, 1, 1, 1],
        },
        pictures(64),
    ),
    Entry(
        "hgnet_v2",
        IMAGES,
        {
            "embedding_size": 16,
            "stem_channels": [3, 8, 12],
            "stage_in_channels": [12, 16, 24, 32],
            "stage_mid_channels": [8, 8, 12, 16],
            "stage_out_channels": [16, 24, 32, 40],
            "stage_num_blocks": [1, 1, 1, 1],
            "stage_numb_of_layers": [2, 2, 2, 2],
            "hidden_sizes": [16, 24, 32, 40],
            "depths": [1, 1, 1, 1],
        },
        pictures(64),
    ),
)

AUDIO = (
    Entry("wav2vec2", SPEECH, hubert(), waves(800, transcript), quick=True),
    Entry(
        "hubert",
        SOUNDS,
        hubert(feat_extract_norm="layer", do_stable_layer_norm=True),
        waves(800, label),
    ),
    Entry("wavlm", SPEECH, hubert(num_buckets=16, max_bucket_distance=20), waves(800, transcript)),
    Entry("unispeech", SOUNDS, hubert(), waves(800, label)),
    Entry("unispeech-sat", SOUNDS, hubert(), waves(800, label)),
    Entry(
        "data2vec-audio",
        SPEECH,
        hubert(conv_pos_kernel_size=3, num_conv_pos_embeddings=2),
        waves(800, transcript),
    ),
    Entry("sew", SPEECH, hubert(squeeze_factor=2), waves(800, transcript)),
    Entry(
        "sew-d",
        SPEECH,
        hubert(
            squeeze_factor=2,
            max_position_embeddings=64,
            position_buckets=16,
            feature_layer_norm_eps=1e-5,
        ),
        waves(800, transcript),
    ),
    Entry(
        "wav2vec2-conformer",
        SPEECH,
        hubert(conv_depthwise_kernel_size=5, position_embeddings_type="relative"),
        waves(800, transcript),
    ),
    Entry(
        "wav2vec2-bert",
        SPEECH,
        small(
            vocab_size=32,
            feature_projection_input_dim=16,
            conv_depthwise_kernel_size=5,
            left_max_position_embeddings=8,
            right_max_position_embeddings=4,
            apply_spec_augment=False,
        ),
        lambda: {"input_features": torch.randn(BATCH, 20, 16), "labels": transcript()},
    ),
    Entry(
        "whisper",
        "WhisperForConditionalGeneration",
        marian(num_mel_bins=16, max_source_positions=20, max_target_positions=20),
        lambda: {"input_features": torch.randn(BATCH, 16, 40), "labels": words(6)},
        quick=True,
    ),
    Entry(
        "speech_to_text",
        "Speech2TextForConditionalGeneration",
        marian(
            conv_channels=16,
            input_feat_per_channel=16,
            input_channels=1,
            max_source_positions=60,
            max_target_positions=20,
        ),
        lambda: {"input_features": torch.randn(BATCH, 40, 16), "labels": words(6)},
    ),
    Entry(
        "moonshine",
        "MoonshineForConditionalGeneration",
        small(
            encoder_num_hidden_layers=2,
            decoder_num_hidden_layers=2,
            encoder_num_attention_heads=4,
            decoder_num_attention_heads=4,
            decoder_start_token_id=1,
        ),
        lambda: {"input_values": torch.randn(BATCH, 4000), "labels": words(6)},
    ),
    Entry(
        "audio-spectrogram-transformer",
        SOUNDS,
        small(max_length=32, num_mel_bins=16, patch_size=8, time_stride=8, frequency_stride=8),
        lambda: {"input_values": torch.randn(BATCH, 32, 16), "labels": label()},
    ),
    Entry(
        "speecht5",
        "SpeechT5ForSpeechToText",
        {**marian(), **hubert(vocab_size=VOCABULARY, encoder_layers=2, mask_time_prob=0.0)},
        waves(800, lambda: words(6)),
    ),
    Entry(
        "encodec",
        "EncodecModel",
        {
            "num_filters": 4,
            "hidden_size": 16,
            "codebook_dim": 16,
            "codebook_size": 16,
            "upsampling_ratios": [4, 4],
            "num_lstm_layers": 1,
            "target_bandwidths": [12.0],
        },
        lambda: {"input_values": torch.randn(BATCH, 1, 320)},
    ),
    Entry(
        "dac",
        "DacModel",
        {
            "encoder_hidden_size": 4,
            "downsampling_ratios": [2, 4],
            "decoder_hidden_size": 32,
            "upsampling_ratios": [4, 2],
            "n_codebooks": 2,
            "codebook_size": 16,
        },
        lambda: {"input_values": torch.randn(BATCH, 1, 320), "return_dict": False},
    ),
    Entry(
        "mimi",
        "MimiModel",
        {
            "hidden_size": 16,
            "num_filters": 4,
            "upsampling_ratios": [4, 2],
            "codebook_size": 16,
            "codebook_dim": 8,
            "num_quantizers": 2,
            "vector_quantization_hidden_dimension": 8,
            "upsample_groups": 16,
            "num_hidden_layers": 1,
            "intermediate_size": 24,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "head_dim": 8,
        },
        lambda: {"input_values": torch.randn(BATCH, 1, 3200)},
    ),
    Entry(
        "vits",
        "VitsModel",
        {
            "vocab_size": VOCABULARY,
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "ffn_dim": 24,
            "flow_size": 16,
            "spectrogram_bins": 9,
            "upsample_initial_channel": 16,
            "upsample_rates": [4, 2],
            "upsample_kernel_sizes": [8, 4],
            "resblock_kernel_sizes": [3],
            "resblock_dilation_sizes": [[1, 3]],
            "duration_predictor_filter_channels": 16,
            "prior_encoder_num_wavenet_layers": 2,
            "posterior_encoder_num_wavenet_layers": 2,
        },
        text,
    ),
)

MULTIMODAL = (
    Entry("clip", HEADLESS, pair(), lambda: {**matched(32)(), "return_loss": True}, quick=True),
    Entry(
        "siglip",
        HEADLESS,
        pair(),
        lambda: {**text(), "pixel_values": image(32)(), "return_loss": True},
    ),
    Entry("chinese_clip", HEADLESS, pair(), matched(32)),
    Entry("altclip", HEADLESS, pair(), matched(32)),
    Entry("clipseg", HEADLESS, pair(), matched(32)),
    Entry("owlvit", HEADLESS, pair(), matched(32)),
    Entry(
        "xclip",
        HEADLESS,
        {
            "text_config": small(projection_dim=32),
            "vision_config": vision(
                num_frames=2,
                mit_hidden_size=32,
                mit_intermediate_size=48,
                mit_num_hidden_layers=1,
                mit_num_attention_heads=4,
                projection_dim=32,
            ),
            "projection_dim": 32,
            "prompt_layers": 1,
            "prompt_num_attention_heads": 4,
        },
        lambda: {**padded(), "pixel_values": torch.randn(BATCH, 2, 3, 32, 32)},
    ),
    Entry("groupvit", HEADLESS, pair(), matched(32)),
    Entry("metaclip_2", HEADLESS, pair(), matched(32)),
    Entry("aimv2", HEADLESS, pair(), matched(32)),
    Entry(
        "blip",
        HEADLESS,
        pair(image_text_hidden_size=16),
        lambda: {**matched(32)(), "return_loss": True},
    ),
    Entry(
        "flava",
        HEADLESS,
        {
            "text_config": small(),
            "image_config": vision(),
            "multimodal_config": small(),
            "image_codebook_config": {},
        },
        matched(32),
    ),
    Entry("vilt", HEADLESS, {**small(), **vision()}, matched(32)),
    Entry(
        "bridgetower",
        HEADLESS,
        {
            "hidden_size": 64,
            "num_attention_heads": 4,
            "num_hidden_layers": 2,
            "intermediate_size": 48,
            "text_config": small(hidden_size=64),
            "vision_config": {
                "hidden_size": 64,
                "num_hidden_layers": 2,
                "patch_size": 8,
                "image_size": 32,
            },
        },
        matched(32),
    ),
    Entry(
        "llava",
        "LlavaForConditionalGeneration",
        {
            "text_config": {"model_type": "llama", **grouped()},
            "vision_config": {"model_type": "clip_vision_model", **vision()},
            "image_token_index": IMAGE_TOKEN,
            "vision_feature_layer": -1,
        },
        illustrated(32, 16),
    ),
    Entry(
        "paligemma",
        "PaliGemmaForConditionalGeneration",
        {
            "text_config": {"model_type": "gemma", **grouped(head_dim=8)},
            "vision_config": {"model_type": "siglip_vision_model", **vision()},
            "projection_dim": 32,
            "image_token_index": IMAGE_TOKEN,
        },
        illustrated(32, 16),
    ),
    Entry(
        "git",
        CAUSAL,
        small(vision_config=vision()),
        lambda: {**continued(), "pixel_values": image(32)()},
    ),
    Entry(
        "lxmert",
        HEADLESS,
        {
            "vocab_size": VOCABULARY,
            "hidden_size": 32,
            "num_attention_heads": 4,
            "intermediate_size": 48,
            "visual_feat_dim": 20,
            "l_layers": 1,
            "x_layers": 1,
            "r_layers": 1,
        },
        lambda: {
            **padded(),
            "visual_feats": torch.randn(BATCH, 3, 20),
            "visual_pos": torch.rand(BATCH, 3, 4),
        },
    ),
    Entry(
        "layoutlmv3",
        TOKENS,
        small(
            input_size=32,
            patch_size=8,
            coordinate_size=6,
            shape_size=4,
            max_2d_position_embeddings=64,
        ),
        lambda: {
            **tagged(),
            "bbox": torch.arange(4).repeat(BATCH, LENGTH, 1),
            "pixel_values": image(32)(),
        },
    ),
    Entry(
        "donut-swin",
        HEADLESS,
        {
            "image_size": 32,
            "patch_size": 2,
            "embed_dim": 16,
            "depths": [1, 2],
            "num_heads": [2, 4],
            "window_size": 4,
        },
        pictures(32, False),
    ),
    Entry(
        "pix2struct",
        "Pix2StructForConditionalGeneration",
        {
            "text_config": {
                "vocab_size": VOCABULARY,
                "hidden_size": 32,
                "d_kv": 8,
                "d_ff": 48,
                "num_layers": 2,
                "num_heads": 4,
            },
            "vision_config": {
                "hidden_size": 32,
                "patch_embed_hidden_size": 20,
                "d_ff": 48,
                "d_kv": 8,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "seq_len": 16,
            },
        },
        lambda: {"flattened_patches": torch.rand(BATCH, 6, 22), "labels": words(6)},
    ),
    Entry(
        "trocr",
        CAUSAL,
        {
            "vocab_size": VOCABULARY,
            "d_model": 32,
            "decoder_layers": 2,
            "decoder_attention_heads": 4,
            "decoder_ffn_dim": 48,
            "max_position_embeddings": 64,
        },
        continued,
    ),
)

ENTRIES = (
    *ENCODERS,
    *DECODERS,
    *EXPERTS,
    *STATES,
    *SEQUENCES,
    *VISION,
    *AUDIO,
    *MULTIMODAL,
)

SUBJECTS: tuple[Subject, ...] = tuple(entry.subject(i) for i, entry in enumerate(ENTRIES))
