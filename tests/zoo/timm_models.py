"""One small model of each family of timm; a family is one of timm's modules."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import torch
from torch import nn

from tests.zoo.subject import Subject
from tests.zoo.torchvision_ops import declare

BATCH, CLASSES = 2, 10


def subject(
    family: str, name: str, size: int, quick: bool = False, fixed: bool = False, **switches: Any
) -> Subject:
    """``size`` is the image's; ``fixed`` says that the model has to be told it."""
    if fixed:
        switches["img_size"] = size

    def build() -> tuple[nn.Module, object]:
        declare()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import timm

            model = timm.create_model(
                name, pretrained=False, num_classes=CLASSES, **copy.deepcopy(switches)
            )
        return model.train(), torch.randn(BATCH, 3, size, size)

    return Subject(f"timm/{name}", family, build, quick)


# A transformer of two blocks.
NARROW: dict[str, Any] = {"embed_dim": 48, "depth": 2, "num_heads": 3}

SUBJECTS: tuple[Subject, ...] = (
    subject("beit", "beitv2_base_patch16_224", 32, True, True, patch_size=8, **NARROW),
    subject("byoanet", "halonet_h1", 256),
    subject("byobnet", "test_byobnet", 64, True),
    subject("cait", "cait_xxs24_224", 32, True, True, patch_size=8, **NARROW),
    subject("coat", "coat_tiny", 64, fixed=True),
    subject(
        "convit", "convit_tiny", 32, True, True, patch_size=8, embed_dim=48, num_heads=3, depth=11
    ),
    subject("convmixer", "convmixer_768_32", 28),
    subject("convnext", "test_convnext", 64, True),
    subject("cpubone", "cpubone_nano", 64),
    subject("crossvit", "crossvit_tiny_240", 240),
    subject("csatv2", "csatv2", 128),
    subject("cspnet", "cs3darknet_focus_s", 64),
    subject("cspnext", "cspnext_tiny", 64),
    subject("davit", "davit_tiny", 64, embed_dims=(24, 48, 96, 192), num_heads=(1, 2, 4, 8)),
    subject("deit", "deit_tiny_distilled_patch16_224", 32, True, True, patch_size=8, **NARROW),
    subject("densenet", "densenet121", 64, growth_rate=8, block_config=(2, 2, 2, 2)),
    subject("dla", "dla46x_c", 64),
    subject("dpn", "dpn48b", 64),
    subject("edgenext", "edgenext_xx_small", 64, True),
    subject("efficientformer", "efficientformer_l1", 224),
    subject("efficientformer_v2", "efficientformerv2_s0", 224),
    subject("efficientnet", "test_efficientnet", 64, True),
    subject("efficientvim", "efficientvim_m1", 64),
    subject("efficientvit_mit", "efficientvit_b0", 64, True),
    subject("efficientvit_msra", "efficientvit_m0", 64, fixed=True),
    subject("eva", "vit_tiny_patch16_dinov3_qkvb", 64, fixed=True, **NARROW),
    subject("fasternet", "fasternet_t0", 64),
    subject("fastvit", "fastvit_t8", 64),
    subject("focalnet", "focalnet_tiny_srf", 64),
    subject("gcvit", "gcvit_xxtiny", 64, fixed=True),
    subject("ghostnet", "ghostnet_050", 64),
    subject("hardcorenas", "hardcorenas_a", 64),
    subject("hgnet", "hgnetv2_b0", 64),
    subject("hiera", "hiera_tiny_224", 64, fixed=True, embed_dim=24, num_heads=1),
    subject("hieradet_sam2", "sam2_hiera_tiny", 64, embed_dim=24),
    subject("hrnet", "hrnet_w18_small", 64),
    subject("iformer", "iformer_t", 64),
    subject("inception_next", "inception_next_atto", 64),
    subject("inception_resnet_v2", "inception_resnet_v2", 96),
    subject("inception_v3", "inception_v3", 96),
    subject("inception_v4", "inception_v4", 96),
    subject("lcnetv2", "lcnetv2_small", 64),
    subject("levit", "levit_128s", 64, True, True),
    subject("lowformer", "lowformer_b0", 64),
    subject("mambaout", "test_mambaout", 64, True),
    subject("maxxvit", "test_maxvit", 64, True, True),
    subject("metaformer", "poolformer_s12", 64),
    subject("mlp_mixer", "gmlp_ti16_224", 32, fixed=True),
    subject("mobilenetv3", "lcnet_035", 64, True),
    subject("mobilevit", "mobilevit_xxs", 64, True),
    subject("mvitv2", "mvitv2_tiny", 64, fixed=True),
    subject("naflexvit", "naflexvit_base_patch16_gap", 32, patch_size=8, **NARROW),
    subject("nest", "nest_tiny", 64, fixed=True),
    subject("nextvit", "nextvit_small", 64),
    subject("nfnet", "test_nfnet", 64, True),
    subject("pit", "pit_ti_224", 64, fixed=True),
    subject("pnasnet", "pnasnet5large", 96),
    subject("pvt_v2", "pvt_v2_b0", 64, True),
    subject("rdnet", "rdnet_tiny", 64),
    subject("regnet", "regnety_002", 64),
    subject("repghost", "repghostnet_050", 64),
    subject("repvit", "repvit_m0_9", 64),
    subject("res2net", "res2net50_14w_8s", 64, layers=(1, 1, 1, 1)),
    subject("resnest", "resnest14d", 64),
    subject("resnet", "test_resnet", 64, True),
    subject("resnetv2", "resnetv2_18", 64),
    subject("rexnet", "rexnet_100", 64),
    subject("selecsls", "selecsls42", 64),
    subject("senet", "legacy_seresnet18", 64),
    subject("sequencer", "sequencer2d_s", 64, fixed=True, layers=(1, 1, 1, 1)),
    subject("shvit", "shvit_s1", 64),
    subject("sknet", "skresnet18", 64),
    subject("starnet", "starnet_s050", 64),
    subject("swiftformer", "swiftformer_xs", 224),
    subject(
        "swin_transformer",
        "swin_tiny_patch4_window7_224",
        64,
        True,
        True,
        embed_dim=24,
        depths=(2, 2),
        num_heads=(2, 4),
        window_size=4,
    ),
    subject(
        "swin_transformer_v2",
        "swinv2_tiny_window8_256",
        64,
        True,
        True,
        embed_dim=24,
        depths=(2, 2),
        num_heads=(2, 4),
        window_size=4,
    ),
    subject(
        "swin_transformer_v2_cr",
        "swinv2_cr_tiny_224",
        64,
        fixed=True,
        embed_dim=24,
        depths=(2, 2),
        num_heads=(2, 4),
        window_size=4,
    ),
    subject("tiny_vit", "tiny_vit_5m_224", 64),
    subject(
        "tnt",
        "tnt_s_legacy_patch16_224",
        32,
        fixed=True,
        patch_size=16,
        embed_dim=48,
        depth=2,
        num_heads_outer=3,
    ),
    subject("tresnet", "tresnet_m", 64),
    subject(
        "twins",
        "twins_svt_small",
        64,
        fixed=True,
        embed_dims=(16, 32, 48, 64),
        depths=(2, 2, 2, 2),
        num_heads=(1, 2, 3, 4),
    ),
    subject("vgg", "vgg11", 64),
    subject("visformer", "visformer_tiny", 64, fixed=True),
    subject("vision_transformer", "vit_tiny_patch16_224", 32, True, True, patch_size=8, **NARROW),
    subject("vision_transformer_hybrid", "vit_tiny_r_s16_p8_224", 64, fixed=True, **NARROW),
    subject(
        "vision_transformer_relpos",
        "vit_relpos_small_patch16_224",
        32,
        fixed=True,
        patch_size=8,
        **NARROW,
    ),
    subject(
        "vision_transformer_sam",
        "samvit_base_patch16_224",
        64,
        fixed=True,
        global_attn_indexes=(1,),
        window_size=3,
        **NARROW,
    ),
    subject("vitamin", "vitamin_small_224", 64, fixed=True),
    subject("volo", "volo_d1_224", 64, fixed=True),
    subject("vovnet", "vovnet39a", 64),
    subject("xception", "legacy_xception", 64),
    subject("xception_aligned", "xception41", 64),
    subject("xcit", "xcit_nano_12_p16_224", 64, fixed=True, depth=2),
)
