import torch
import torch.nn.functional as F
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


def test_an_output_survives_export():
    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Conv2d(3, 4, 3, stride=2, padding=1)

        def forward(self, image):
            return DenseOutput(NativeMaps(self.layer(image)), (image.shape[-2], image.shape[-1]))

    net, image = Network().eval(), torch.rand(1, 3, 16, 20)
    exported = torch.export.export(net, (image,)).module()(image)
    torch.testing.assert_close(exported.logits, net(image).logits)
