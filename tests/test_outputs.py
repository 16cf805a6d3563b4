import torch
import torch.nn.functional as F
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import send_to_device
from torch.utils import _pytree as pytree

from oddscape.outputs import DenseOutput, NativeMaps


def output(**maps):
    return DenseOutput(NativeMaps(**{"logits": torch.randn(2, 5, 6, 8), **maps}), (24, 31))


def test_maps_stay_native_and_come_at_full_size_in_float32():
    out = output(logits=torch.randn(2, 5, 6, 8, dtype=torch.bfloat16))
    assert out.native.logits.dtype == torch.bfloat16
    wanted = F.interpolate(out.native.logits.float(), (24, 31), mode="bilinear", align_corners=False)
    torch.testing.assert_close(out.logits, wanted, rtol=0, atol=0)


def test_align_corners_is_the_networks():
    maps = torch.randn(1, 3, 4, 4)
    out = DenseOutput(NativeMaps(maps), (8, 8), align_corners=True)
    torch.testing.assert_close(out.logits, F.interpolate(maps, (8, 8), mode="bilinear", align_corners=True))


def test_log_evidence_is_logsumexp_and_takes_gradients():
    logits = torch.randn(1, 4, 5, 5, dtype=torch.float64).float().requires_grad_()
    out = DenseOutput(NativeMaps(logits), (5, 5))
    wanted = torch.logsumexp(logits, 1)
    torch.testing.assert_close(out.log_evidence, wanted)
    (gradient,) = torch.autograd.grad(out.log_evidence.sum(), logits)
    torch.testing.assert_close(gradient, logits.detach().softmax(1))


def test_fields_are_the_maps_that_are_there():
    assert output().fields == {"logits"}
    assert output(void_logits=torch.zeros(2, 1, 6, 8)).fields == {"logits", "void_logits"}
    assert output().outlier_logits is None


def test_an_output_is_a_tree_of_tensors():
    out = output(outlier_logits=torch.zeros(2, 2, 6, 8))
    doubled = pytree.tree_map_only(torch.Tensor, lambda maps: 2 * maps, out)
    assert isinstance(doubled, DenseOutput)
    assert doubled.size == out.size
    torch.testing.assert_close(doubled.native.logits, 2 * out.native.logits)


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 4, 3, stride=2, padding=1)

    def forward(self, image):
        maps = self.layer(image)
        return DenseOutput(
            NativeMaps(maps, outlier_logits=maps[:, :2]), (image.shape[-2], image.shape[-1]), True
        )


def assert_equal(given, wanted):
    assert isinstance(given, DenseOutput)
    assert (given.size, given.align_corners, given.fields) == (
        wanted.size,
        wanted.align_corners,
        wanted.fields,
    )
    torch.testing.assert_close(given.logits, wanted.logits)
    torch.testing.assert_close(given.outlier_logits, wanted.outlier_logits)


def test_an_output_survives_export_of_one_size():
    net, image = Network().eval(), torch.rand(1, 3, 16, 20)
    assert_equal(torch.export.export(net, (image,)).module()(image), net(image))


def test_an_output_survives_compilation_within_the_graph_and_out_of_it():
    net = Network()

    @torch.compile(backend="eager", fullgraph=True, dynamic=True)
    def output_and_evidence(image):
        out = net(image)
        return out, out.log_evidence, out.full_size(out.native.logits)

    for size in [(16, 20), (21, 13)]:
        image = torch.rand(2, 3, *size)
        out, log_evidence, logits = output_and_evidence(image)
        wanted = net(image)
        assert_equal(out, wanted)
        torch.testing.assert_close(log_evidence, wanted.log_evidence)
        torch.testing.assert_close(logits, wanted.logits)


def test_full_size_maps_are_float32_under_autocast():
    net, image = Network(), torch.rand(1, 3, 16, 20)
    with torch.autocast("cpu", torch.bfloat16):
        out = net(image)
        assert out.native.logits.dtype == torch.bfloat16
        assert {out.logits.dtype, out.max_logit.dtype, out.log_evidence.dtype} == {torch.float32}
    torch.testing.assert_close(out.logits, net(image).logits, rtol=0.02, atol=0.02)


def test_an_output_survives_accelerate():
    net, image = Network(), torch.rand(1, 3, 16, 20)
    wanted = net(image)
    AcceleratorState._reset_state(reset_partial_state=True)  # that other tests leave
    accelerator = Accelerator(cpu=True, mixed_precision="bf16")
    try:
        out = accelerator.prepare(net)(image)
        assert out.native.logits.dtype == torch.bfloat16
        assert out.logits.dtype == torch.float32
        torch.testing.assert_close(out.logits, wanted.logits, rtol=0.02, atol=0.02)
        (gradient,) = torch.autograd.grad(out.logits.sum(), net.layer.bias)
        torch.testing.assert_close(gradient, torch.full((4,), 16 * 20.0))
        assert_equal(accelerator.gather(out), out)
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)


def test_an_output_goes_to_a_device():
    out = Network()(torch.rand(1, 3, 16, 20))
    for moved in (out.to("meta"), send_to_device([out], torch.device("meta"))[0]):
        assert moved.native.logits.is_meta
        assert moved.native.outlier_logits.is_meta
        assert (moved.size, moved.align_corners) == (out.size, out.align_corners)
    assert not out.native.logits.is_meta
