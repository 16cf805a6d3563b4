"""What each network is, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass

_DENSEHYBRID = "Grcić, Bevandić, Šegvić: DenseHybrid, ECCV 2022"
_DICNET = "Zhou et al.: Distillation Comparison Networks, arXiv 2112.09908"
_VOID = "Blum et al.: The Fishyscapes Benchmark, IJCV 2021"
_LADDER = "Krešo, Krapac, Šegvić: Efficient Ladder-Style DenseNets, IEEE T-ITS 2021"
_LITE = "Tan, Le: EfficientNet, ICML 2019"
_DEEPLAB = "Chen et al.: DeepLabV3+, ECCV 2018; Wu et al.: Wider or Deeper, arXiv 1611.10080"


@dataclass(frozen=True)
class Architecture:
    """A network's origin.

    Args:
        title: the architecture in a few words.
        paper: where it was published, or what it follows.
    """

    title: str
    paper: str


ARCHITECTURES: dict[str, Architecture] = {
    "ldn121": Architecture("Ladder-DenseNet-121", _LADDER),
    "densehybrid_ldn121": Architecture("ldn121 with outlier head", _DENSEHYBRID),
    "wrn38": Architecture("DeepLabV3+ on WideResNet-38", _DEEPLAB),
    "densehybrid_wrn38": Architecture("wrn38 with outlier head", _DENSEHYBRID),
    "pspnet": Architecture("PSPNet on ResNet-50", "Zhao et al.: Pyramid Scene Parsing Network, CVPR 2017"),
    "dicnet": Architecture("pspnet and a ResNet-34 student", _DICNET),
    "erfnet": Architecture("ERFNet", "Romera et al.: ERFNet, IEEE T-ITS 2018"),
    "small_ladder": Architecture("small ladder network for CPUs", f"after {_LADDER}"),
    "densehybrid_small_ladder": Architecture("small_ladder with outlier head", f"after {_DENSEHYBRID}"),
    "void_small_ladder": Architecture("small_ladder with void class", f"after {_VOID}"),
    "dicnet_small_ladder": Architecture("small_ladder and a smaller student", f"after {_DICNET}"),
    "lite_ladder": Architecture("ladder network on EfficientNet-Lite0", f"after {_LADDER}; {_LITE}"),
    "densehybrid_lite_ladder": Architecture("lite_ladder with outlier head", f"after {_DENSEHYBRID}"),
}
"""Every network of ``MODELS`` by name."""
