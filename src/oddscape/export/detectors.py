"""Whole detectors as files that run without Oddscape: a picture in, classes, scores and decisions out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import torch
from torch import Tensor, nn

from oddscape.detector import Detector
from oddscape.errors import OddscapeError
from oddscape.export.conversion import one_line, onnxruntime, to_onnx, traced
from oddscape.export.exportable import require_exportable
from oddscape.export.parity import SIZES, compare_classes, compare_maps
from oddscape.export.resizing import seen_by_network
from oddscape.files import written_atomically
from oddscape.inference import postprocess
from oddscape.outputs import DenseOutput
from oddscape.sizes import MOST_ELONGATED, InferenceSize, Size, format_size, size_text
from oddscape.version import __version__

METADATA = "oddscape.json"
"""The extra file of a ``.pt2`` that holds what an ONNX file keeps as metadata: a JSON object of texts."""

_INPUTS = ("image", "threshold")
_FREE = ((0, 1, 2), ())

_Maps = dict[str, Tensor]
_Exported = Callable[[tuple[Tensor, ...]], _Maps]


class DetectorGraph(nn.Module):
    """A detector as one network, from pictures to decisions; all that an exported file does.

    What it does not hold are rules for regions: ``anomaly`` is the score above the threshold, pixel by pixel.

    Args:
        detector: whose network, score, threshold and size it has.
    """

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.net, self.score = detector.net, detector.score
        self.threshold, self.size = detector.threshold, detector.size
        self.eval()

    def forward(self, image: Tensor, threshold: Tensor | None = None) -> _Maps:
        """Look at pictures uint8 [N, H, W, 3] in RGB.

        Args:
            image: the pictures, of any size; the network sees them at the detector's.
            threshold: float32 [1]; None: the detector's own.

        Returns:
            ``classes`` uint8 [N, H, W]; ``score`` float32 [N, H, W]; ``anomaly`` bool [N, H, W] where there
            is a threshold.
        """
        out = self.output(image)
        classes = out.logits.argmax(1).to(torch.uint8)
        score = self.score.after_steps(self.score.before_steps(out), classes)
        limit = self.threshold if threshold is None else threshold
        return {"classes": classes, "score": score} | ({} if limit is None else {"anomaly": score > limit})

    def output(self, image: Tensor) -> DenseOutput:
        """What the network says, at the size of the pictures."""
        out: DenseOutput = self.net(seen_by_network(image, self.size))
        return replace(out, size=(image.shape[1], image.shape[2]))


@torch.no_grad()
def export_detector(
    detector: Detector,
    path: str | Path,
    *,
    threshold_input: bool = False,
    about: Mapping[str, str] | None = None,
    sizes: Sequence[Size] = SIZES,
) -> None:
    """Write a whole detector to a file that runs without Oddscape: ``.onnx``, or ``.pt2``.

    The file takes ``image``, uint8 [N, H, W, 3] in RGB, N pictures of any one size, and resizes them as the
    detector does. It gives, at the size of the pictures, ``classes`` uint8 [N, H, W], ``score`` float32
    [N, H, W] and, where there is a threshold, ``anomaly`` bool [N, H, W]: the score above it, without any
    rules for regions. Its metadata say what the classes are called, and what else one needs to know.

    Where the detector's size is a shorter side alone, ``Detector.predict`` refuses to enlarge pictures whose
    sides are further apart than ``most_elongated`` (in the metadata) to 1. A graph cannot refuse: the file
    enlarges them, whatever memory that takes.

    An ONNX file runs in onnxruntime. A ``.pt2`` is loaded by ``torch.export.load(path).module()``, takes
    tensors and gives a dictionary of tensors; run it under ``torch.inference_mode()``. A network of many
    layers takes a minute or two.

    Args:
        detector: on the CPU.
        path: the file; it is written once it agrees with the detector's graph at all ``sizes``, and with
            ``Detector.predict``, which resizes by Pillow: at ``sizes`` where pictures keep their size, else
            on pictures of the detector's size and of twice that.
        threshold_input: whether the threshold is a second input ``threshold``, float32 [1], instead of the
            detector's own.
        about: further facts for the metadata, such as the licence of the weights.
        sizes: (H, W) of the pictures at which file and detector are compared; the first one is traced.

    Raises:
        OddscapeError: a file of another ending, packages that are missing, a detector that is not on the
            CPU or not in float32, that knows more than 255 classes, that cannot be exported, or of which the
            file says something else.
    """
    path = Path(path)
    require_exportable(detector, path)
    graph = DetectorGraph(detector)
    arguments = (next(_pictures(sizes)), *((torch.zeros(1),) if threshold_input else ()))
    name = f"a detector by {detector.score.name}"
    program = traced(graph, arguments, _FREE[: len(arguments)], name)
    metadata = _metadata(detector, threshold_input) | dict(about or {})
    names = list(graph(*arguments))
    with written_atomically(path) as partial:
        if path.suffix == ".onnx":
            onnx = to_onnx(program, _INPUTS[: len(arguments)], names)
            onnx.model.metadata_props.update(metadata)
            onnx.save(partial)
            exported = _onnx_detector(partial)
        else:
            file = BytesIO()
            with one_line("the detector does not go into a .pt2 file"):
                torch.export.save(program, file, extra_files={METADATA: json.dumps(metadata)})
            partial.write_bytes(file.getvalue())
            exported = _program_detector(file)
        _compare_predictions(detector, graph, exported, threshold_input, sizes)
        _compare(graph, exported, threshold_input, sizes)


def _metadata(detector: Detector, threshold_input: bool) -> dict[str, str]:
    """What a file says of itself: texts, some of them JSON."""
    threshold = "" if detector.threshold is None else repr(detector.threshold)
    return {
        "oddscape": __version__,
        "classes": json.dumps(detector.label_space.classes, ensure_ascii=False),
        "colours": json.dumps(detector.label_space.colours),
        "score": detector.score.name,
        "threshold": threshold,
        "threshold_input": json.dumps(threshold_input),
        "size": "" if detector.size is None else size_text(detector.size),
        "most_elongated": str(MOST_ELONGATED) if isinstance(detector.size, int) else "",
        "precision": "float32",
    }


def _onnx_detector(path: Path) -> _Exported:
    """An ONNX file as a function from inputs to maps."""
    session = onnxruntime().InferenceSession(path, providers=["CPUExecutionProvider"])
    inputs, outputs = (
        [thing.name for thing in things] for things in (session.get_inputs(), session.get_outputs())
    )

    def run(arguments: tuple[Tensor, ...]) -> _Maps:
        given = {name: tensor.numpy() for name, tensor in zip(inputs, arguments, strict=True)}
        arrays = session.run(outputs, given)
        return {name: torch.from_numpy(array) for name, array in zip(outputs, arrays, strict=True)}

    return run


def _program_detector(file: BytesIO) -> _Exported:
    """What a ``.pt2`` file holds as a function from inputs to maps."""
    file.seek(0)
    module = torch.export.load(file).module()

    def run(arguments: tuple[Tensor, ...]) -> _Maps:
        maps: _Maps = module(*arguments)
        return maps

    return run


def _pictures(sizes: Sequence[Size]) -> Iterator[Tensor]:
    """Noise of each size, by turns two pictures and one, uint8 [N, H, W, 3]."""
    chance = torch.Generator().manual_seed(0)
    for number, size in enumerate(sizes):
        yield torch.randint(0, 256, (2 - number % 2, *size, 3), dtype=torch.uint8, generator=chance)


def _compare(graph: DetectorGraph, exported: _Exported, threshold_input: bool, sizes: Sequence[Size]) -> None:
    """Raise an error where a file says something else than the detector, which computes band by band."""
    for image, size in zip(_pictures(sizes), sizes, strict=True):
        where = f"the file, at {format_size(size)}"
        out = graph.output(image)
        wanted = postprocess(out, {graph.score.name: graph.score}).scores[graph.score.name]
        limit = float(wanted.median()) if threshold_input else graph.threshold
        given = _given(exported, image, limit if threshold_input else None, where)
        compare_classes(given["classes"], out.logits, f"{where}, gives classes")
        compare_maps(given["score"], wanted, f"{where}, gives a score")
        if limit is not None and not torch.equal(given["anomaly"], given["score"] > limit):
            raise OddscapeError(f"{where}, gives anomalies that are not its score above the threshold")


def _compare_predictions(
    detector: Detector,
    graph: DetectorGraph,
    exported: _Exported,
    threshold_input: bool,
    sizes: Sequence[Size],
) -> None:
    """Raise an error where a file says something else of a picture than ``Detector.predict``."""
    sizes = _exactly_resized(detector.size) or sizes
    for image, size in zip(_pictures(sizes), sizes, strict=True):
        where = f"the file, at {format_size(size)}"
        prediction = detector.predict(image[0].numpy())
        given = _given(exported, image[:1], 0.0 if threshold_input else None, where)
        classes = torch.from_numpy(prediction.classes)[None]
        if not torch.equal(given["classes"], classes):  # two classes may be as good as equal
            logits = graph.output(image[:1]).logits
            for either in (given["classes"], classes):
                compare_classes(either, logits, f"{where}, gives classes")
        compare_maps(given["score"], torch.from_numpy(prediction.score)[None], f"{where}, gives a score")


def _exactly_resized(asked: InferenceSize | None) -> tuple[Size, ...]:
    """Sizes of pictures that Pillow, too, resizes without a value that rounding could bring to another.

    At half a side, each is a sum of eighths of whole numbers or, at an edge, of sevenths. Where both sides
    change, the picture is wide, for of a tall one Pillow may resize the other side first.
    """
    if asked is None:
        return ()
    if isinstance(asked, int):
        wider = asked + asked // 8
        return (asked, wider), (2 * asked, 2 * wider)
    height, width = asked
    return (height, 2 * width), (2 * height, width)


def _given(exported: _Exported, image: Tensor, threshold: float | None, where: str) -> _Maps:
    """What a file gives of pictures; a threshold of None: it takes none."""
    with one_line(f"{where}, does not run"):
        return exported((image,) if threshold is None else (image, torch.tensor([threshold])))
