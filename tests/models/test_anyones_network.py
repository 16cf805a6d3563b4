"""What somebody does with a network of their own or of another library, from its name to its checkpoint."""

import json

import pytest
import torch
from accelerate import Accelerator
from torch.optim import Adam

from oddscape.commands.options import NetworkOptions
from oddscape.evaluation import evaluate
from oddscape.models import create_model, save_checkpoint
from oddscape.models.probing import probe
from oddscape.protocols import PROTOCOLS
from oddscape.scores import fitting_scores
from oddscape.training.losses import Batch, densehybrid
from oddscape.training.step import Stepper

OWN_FILE = """
from torch import nn

def segmenter(num_classes, width=8):
    body = nn.Sequential(nn.Conv2d(3, width, 3, 2, padding=1), nn.BatchNorm2d(width), nn.ReLU())
    return Labelled(body, nn.Conv2d(width, num_classes, 1))

class Labelled(nn.Module):
    def __init__(self, body, classifier):
        super().__init__()
        self.body, self.classifier = body, classifier

    def forward(self, image):
        return {"out": self.classifier(self.body(image))}
"""

WITH_HEAD = """
import oddscape as odd
from mine import segmenter

def hybrid(num_classes):
    return odd.with_outlier_head(odd.wrap(segmenter(num_classes), features="body", num_classes=num_classes))
"""

NETWORKS = {
    "timm:test_resnet": {"width": 16, "outlier_head": True},
    "torchvision:lraspp_mobilenet_v3_large": {"outlier_head": True},
    "smp:FPN/tu-test_resnet": {"outlier_head": True, "void": True},
    "hybrid.py:hybrid": {},
}
PACKAGES = {"smp": "segmentation_models_pytorch"}


@pytest.fixture(params=NETWORKS)
def network(request, tmp_path, monkeypatch):
    """Name and options of a network, with the file that makes it where it is one's own."""
    origin = request.param.partition(":")[0]
    if origin.endswith(".py"):
        (tmp_path / "mine.py").write_text(OWN_FILE)
        (tmp_path / origin).write_text(WITH_HEAD)
        monkeypatch.syspath_prepend(tmp_path)
        return f"{tmp_path}/{request.param}", NETWORKS[request.param]
    pytest.importorskip(PACKAGES.get(origin, origin))
    return request.param, NETWORKS[request.param]


def pasted_batch(classes):
    labels, pasted = torch.randint(0, classes, (2, 61, 90)), torch.zeros(2, 61, 90, dtype=torch.bool)
    pasted[:, 8:40, 8:40] = True
    return Batch(torch.rand(2, 3, 61, 90), labels.masked_fill(pasted, 255), pasted, torch.zeros_like(pasted))


def train_one_step(net):
    optimizer = Adam([{"params": list(net.parameters()), "base_lr": 1e-3}])
    stepper = Stepper(Accelerator(cpu=True), net.train(), densehybrid(), optimizer, "no")
    return stepper.step([pasted_batch(5)], factor=1.0)


def test_it_is_made_scored_evaluated_trained_and_saved(network, masks_folder, tmp_path):
    name, options = network
    torch.manual_seed(0)
    net = create_model(name, 5, **options).eval()
    assert net.num_classes == 5
    fields = probe(net).fields
    assert {"logits", "features", "outlier_logits"} <= fields

    scores = fitting_scores(fields)
    with torch.no_grad():
        out = net(torch.rand(2, 3, 61, 90))
        assert out.logits.shape == (2, 5, 61, 90)
        assert all(torch.isfinite(score(out)).all() for score in scores.values())
    results = evaluate(net, PROTOCOLS["masks"], masks_folder, list(scores))
    assert all(0 < results.of(score).pooled.average_precision <= 1 for score in scores)

    first, head = next(net.parameters()), list(net.outlier_head.parameters())[-1]
    before = first.clone(), head.clone()
    assert train_one_step(net).terms["dataset_posterior"] > 0
    assert not torch.equal(first, before[0])
    assert not torch.equal(head, before[1])

    metadata = {"model": name, "num_classes": "5", "model_options": json.dumps(options)}
    save_checkpoint(net, tmp_path / "w.safetensors", metadata)
    own = name if ".py:" in name else None
    (again,), _ = NetworkOptions(model=own, weights=(tmp_path / "w.safetensors",), device="cpu").load()
    image = torch.rand(1, 3, 45, 70)
    with torch.no_grad():
        given, wanted = again.eval()(image), net.eval()(image)
    assert torch.equal(given.logits, wanted.logits)
    assert torch.equal(given.outlier_logits, wanted.outlier_logits)


def test_it_exports_without_a_graph_break(network):
    name, options = network
    net, image = create_model(name, 5, **options).eval(), torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        exported = torch.export.export(net, (image,)).module()(image)
        torch.testing.assert_close(exported.outlier_logits, net(image).outlier_logits, rtol=1e-4, atol=1e-5)
