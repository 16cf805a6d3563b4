import io
import sys

import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from oddscape.errors import OddscapeError
from oddscape.export import export_onnx, export_program
from oddscape.models.adapters import wrap
from oddscape.models.outlier_head import with_outlier_head
from oddscape.outputs import DenseOutput, NativeMaps

FIELDS = ["logits", "outlier_logits", "features"]


@pytest.fixture(scope="module")
def net():
    """A network of another origin, whose pictures are padded to multiples of 4, with an outlier head."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(8, 6, 3, stride=2, padding=1)]
    wrapped = wrap(nn.Sequential(*layers), features="1", normalise=([0.5] * 3, [0.2] * 3), void=5, multiple=4)
    return with_outlier_head(wrapped, on="net.2").eval()


class Scaled(nn.Module):
    """A 1×1 convolution times what a function says of its maps."""

    def __init__(self, scale):
        super().__init__()
        self.classifier, self.scale = nn.Conv2d(3, 4, 1), scale

    def forward(self, image):
        logits = self.classifier(image)
        return DenseOutput(NativeMaps(logits * self.scale(logits)), (image.shape[-2], image.shape[-1]))


@torch.no_grad()
def test_a_wrapped_network_with_a_head_is_a_program_and_a_file(net, tmp_path):
    export_onnx(net, tmp_path / "new" / "net.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "new" / "net.onnx")
    assert [(i.name, i.shape) for i in session.get_inputs()] == [("image", ["batch", 3, "height", "width"])]
    names = [output.name for output in session.get_outputs()]
    program = export_program(net).module()
    for size in [(72, 101), (33, 20)]:
        image = torch.rand(3, 3, *size)
        wanted, given = net(image), program(image)
        assert given.size == wanted.size == size
        assert set(names) == given.fields == wanted.fields == {*FIELDS, "void_logits"}
        for name, array in zip(names, session.run(names, {"image": image.numpy()}), strict=True):
            maps = getattr(wanted.native, name)
            torch.testing.assert_close(torch.from_numpy(array), maps, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(getattr(given.native, name), maps)


@torch.no_grad()
def test_a_program_keeps_in_a_file(net):
    file = io.BytesIO()
    torch.export.save(export_program(net), file)
    file.seek(0)
    image = torch.rand(1, 3, 40, 56)
    out = torch.export.load(file).module()(image)
    assert isinstance(out, DenseOutput)
    torch.testing.assert_close(out.outlier_logits, net(image).outlier_logits)


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        (lambda _: torch.ones(64, 96), "does not export for pictures of any size: Constraints violated"),
        (lambda maps: 2 if maps.shape[-1] > maps.shape[-2] else 1, "at 64×96, does not run: Guard failed"),
        (lambda maps: 2 if maps.shape[-1] > 500 else 1, "does something else where a side is above 500$"),
    ],
    ids=["size", "branch", "large"],
)
def test_a_network_that_holds_for_one_size_alone_does_not_export(scale, message, tmp_path):
    for export in (export_program, lambda net: export_onnx(net, tmp_path / "net.onnx")):
        with pytest.raises(OddscapeError, match=message) as caught:
            export(Scaled(scale).eval())
        assert "\n" not in str(caught.value)
    assert not any(tmp_path.iterdir())


def test_a_file_that_is_wrong_at_another_size_is_not_written(tmp_path):
    torch.manual_seed(0)
    # The stock pooling to a grid converts, runs and is right at the size traced alone.
    pooled = Scaled(lambda maps: F.adaptive_avg_pool2d(maps, (2, 4)).mean())
    (tmp_path / "net.onnx").write_text("as before")
    with pytest.raises(OddscapeError, match=r"of Scaled, at \d+×\d+, gives logits up to .* allowed$"):
        export_onnx(pooled.eval(), tmp_path / "net.onnx")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["as before"]


def test_what_cannot_be_exported_is_said(net, tmp_path, monkeypatch):
    with pytest.raises(OddscapeError, match=r"Scaled is in training mode; export net\.eval\(\)"):
        export_program(Scaled(torch.ones_like))
    with pytest.raises(OddscapeError, match=r"Scaled is on meta; .* net\.cpu\(\)"):
        export_onnx(Scaled(torch.ones_like).eval().to("meta"), tmp_path / "net.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(
        OddscapeError, match=r"onnxruntime is not installed: pip install 'oddscape\[export\]'"
    ):
        export_onnx(net, tmp_path / "net.onnx")


def test_an_operation_without_an_onnx_form_is_named(tmp_path):
    halved = Scaled(lambda maps: torch.ones(1, 1, 1, round(maps.shape[-1] / 2)).mean())
    with pytest.raises(OddscapeError, match=r"^the network has no ONNX form: No ONNX function .*round"):
        export_onnx(halved.eval(), tmp_path / "net.onnx", sizes=[(8, 12)])


def test_the_converter_is_quiet(tmp_path, capfd):
    export_onnx(Scaled(torch.ones_like).eval(), tmp_path / "net.onnx", sizes=[(8, 12), (9, 7)])
    assert capfd.readouterr() == ("", "")
