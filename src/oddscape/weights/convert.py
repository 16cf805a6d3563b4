"""Turning released files into one safetensors file that says what it holds and where it is from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from oddscape.errors import OddscapeError
from oddscape.models import DiCNet, create_model
from oddscape.models.checkpoints import (
    load_checkpoint,
    read_weights,
    require_ending,
    save_checkpoint,
    save_weights,
)
from oddscape.models.imagenet import load_imagenet
from oddscape.weights.sources import WEIGHTS

ROLES = ("teacher_encoder", "teacher_decoder", "student")


@dataclass(frozen=True)
class Origin:
    """Where weights are from.

    Args:
        source: an address or a few words.
        licence: the weights' terms.
        classes: names of the known classes, in their order; empty where nobody knows.
    """

    source: str = ""
    licence: str = ""
    classes: tuple[str, ...] = ()


def origin_of(file: str | Path) -> Origin:
    """What is known of a file with the name of released weights; nothing of any other."""
    for released in WEIGHTS.values():
        if released.file.name == Path(file).name:
            return Origin(released.file.url, released.licence)
    return Origin()


def convert(
    out: str | Path,
    model: str,
    num_classes: int,
    file: str | Path | None = None,
    *,
    void: bool = False,
    origin: Origin | None = None,
    teacher_encoder: str | Path | None = None,
    teacher_decoder: str | Path | None = None,
    student: str | Path | None = None,
) -> dict[str, str]:
    """Write released weights as safetensors, having made sure that they fit their network.

    Args:
        out: the file to write.
        model: the network's name.
        num_classes: number of known classes, K.
        file: the released file; None with those in several parts below.
        void: the network has one more, trailing output for void.
        origin: what to say of where they are from; None for what :func:`origin_of` knows.
        teacher_encoder: file of the encoder of DiCNet's teacher, or of a PSPNet.
        teacher_decoder: file of its decoder.
        student: file of DiCNet's student.

    Returns:
        The metadata written: ``model``, ``num_classes`` and ``model_options``, from which the network is made
        again; ``source``, ``licence``, ``classes`` (a JSON list) where known; ``sha256`` of the released file
        or files, each followed by its name.

    Raises:
        OddscapeError: files that are missing, unreadable or do not fit; names of classes that are not
            ``num_classes`` many; an ``out`` that does not end in ``.safetensors``.
    """
    require_ending(out)
    parts = dict(zip(ROLES, (teacher_encoder, teacher_decoder, student), strict=True))
    files = [Path(given) for given in (file, *parts.values()) if given is not None]
    origin = origin or (origin_of(file) if file is not None else Origin())
    if origin.classes and len(origin.classes) != num_classes:
        raise OddscapeError(f"{len(origin.classes)} names of classes for {num_classes} classes")
    net = create_model(model, num_classes, **({"void": True} if void else {}))
    load_checkpoint(
        net, file, teacher_encoder=teacher_encoder, teacher_decoder=teacher_decoder, student=student
    )
    metadata = {
        "model": model,
        "num_classes": str(num_classes),
        "model_options": json.dumps({"void": True} if void else {}),
        "source": origin.source,
        "licence": origin.licence,
        "sha256": _digests(files),
        **({"classes": json.dumps(origin.classes)} if origin.classes else {}),
    }
    save_checkpoint(net, out, metadata)
    return metadata


def convert_imagenet(
    out: str | Path, model: str, file: str | Path, origin: Origin | None = None
) -> dict[str, str]:
    """Write ImageNet weights as safetensors, under the names they have, without what the trunk does not use.

    Args:
        out: the file to write; :func:`~oddscape.models.imagenet.load_imagenet` reads it.
        model: the name of a network whose trunk they fit; ``dicnet`` for its student's.
        file: the file as released.
        origin: what to say of where they are from; None for what :func:`origin_of` knows.

    Returns:
        The metadata written: ``trunk_of``, the network's name, ``loaded`` and ``unused``, how many of the
        file's weights fit its trunk and how many do not, ``source``, ``licence``, ``sha256``.

    Raises:
        OddscapeError: a file that is missing, unreadable or does not fit the trunk.
    """
    require_ending(out)
    net = create_model(model, num_classes=2)
    fit = load_imagenet(net.student if isinstance(net, DiCNet) else net, file)
    if fit is None:
        raise OddscapeError(f"{model} starts from timm's own files: there is nothing to convert")
    origin = origin or origin_of(file)
    metadata = {
        "trunk_of": model,
        "loaded": str(len(fit.renamed)),
        "unused": str(len(fit.unexpected)),
        "source": origin.source,
        "licence": origin.licence,
        "sha256": _digests([Path(file)]),
    }
    weights = read_weights(file)
    save_weights({name: weights[name] for name in fit.renamed}, out, metadata)
    return metadata


def _digests(files: Sequence[Path]) -> str:
    """Digest and name of each file, as ``sha256sum`` prints them, separated by commas."""
    digests = []
    for path in files:
        with path.open("rb") as file:
            digests.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.name}")
    return ", ".join(digests)
