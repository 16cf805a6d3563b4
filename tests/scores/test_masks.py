"""Scores of masks on a tiny Mask2Former with random weights: against a naive loop, whole and in bands."""

import json
import math

import pytest
import torch
import torch.nn.functional as F

from oddscape.inference import postprocess
from oddscape.scores import SCORES

tf = pytest.importorskip("transformers")

COLOURS = {"image_mean": [0.5] * 3, "image_std": [0.25] * 3, "do_rescale": True, "rescale_factor": 1 / 255}
STAGES = {"out_features": ["stage1", "stage2", "stage3", "stage4"]}


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """What it says about two pictures, with logits spread as a trained network's are."""
    from oddscape.models.transformers_networks import transformers_network

    torch.manual_seed(0)
    backbone = tf.SwinConfig(embed_dim=8, depths=[1] * 4, num_heads=[1, 1, 2, 2], window_size=4, **STAGES)
    widths = {"feature_size": 32, "hidden_dim": 32, "mask_feature_size": 16, "num_attention_heads": 2}
    layers = {"encoder_layers": 1, "decoder_layers": 2, "encoder_feedforward_dim": 32, "dim_feedforward": 32}
    config = tf.Mask2FormerConfig(backbone_config=backbone, num_queries=7, num_labels=5, **widths, **layers)
    folder = tmp_path_factory.mktemp("mask2former")
    tf.logging.set_verbosity_error()
    tf.logging.disable_progress_bar()
    tf.Mask2FormerForUniversalSegmentation(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(COLOURS | {"do_normalize": True}))
    net = transformers_network(folder)
    torch.nn.init.normal_(net.net.class_predictor.weight, std=1.0)
    with torch.no_grad():
        return net(torch.rand(2, 3, 64, 96))


def naive(out, of_pixel):
    """A score of a pixel from [(σ(m_q), p_q of the known classes)], pixel by pixel in float64."""
    masks = F.interpolate(out.native.mask_logits.double(), out.size, mode="bilinear")
    score = torch.empty(len(masks), *out.size, dtype=torch.float64)
    for picture, (queries, classes) in enumerate(zip(masks, out.native.class_logits.double(), strict=True)):
        shares = []
        for logits in classes.tolist():
            total = sum(math.exp(v) for v in logits)
            shares.append([math.exp(v) / total for v in logits[:-1]])
        for y in range(out.size[0]):
            for x in range(out.size[1]):
                there = [1 / (1 + math.exp(-m)) for m in queries[:, y, x].tolist()]
                score[picture, y, x] = of_pixel(list(zip(there, shares, strict=True)))
    return score.float()


def rejected_by_all(queries):
    votes = [sum(mask * shares[k] for mask, shares in queries) for k in range(5)]
    return -sum(math.tanh(vote) for vote in votes)


def ensemble_over_masks(queries):
    return -sum(mask * max(shares) for mask, shares in queries)


@pytest.mark.parametrize(("name", "of_pixel"), [("rba", rejected_by_all), ("eam", ensemble_over_masks)])
def test_equals_a_naive_loop(out, name, of_pixel):
    score = SCORES[name](out)
    assert score.std() > 1e-3
    torch.testing.assert_close(score, naive(out, of_pixel), rtol=1e-4, atol=1e-5)


def test_bands_equal_the_whole(out):
    scores = {name: SCORES[name] for name in ("msp", "entropy", "rba", "eam")}
    result = postprocess(out, scores, 16)
    for name, score in scores.items():
        torch.testing.assert_close(result.scores[name], score(out), rtol=1e-5, atol=2e-5)


def test_msp_and_entropy_are_those_of_the_posterior_of_the_masks(out):
    """At the masks' own resolution, for the posterior is upsampled as logits."""
    native = out.native
    votes = torch.einsum(
        "nqk,nqhw->nkhw", native.class_logits.softmax(-1)[..., :-1], native.mask_logits.sigmoid()
    )
    posterior = votes / votes.sum(1, keepdim=True)
    same = type(out)(native, native.mask_logits.shape[-2:])
    torch.testing.assert_close(SCORES["msp"](same), 1 - posterior.amax(1), rtol=1e-4, atol=1e-5)
    entropy = torch.special.entr(posterior).sum(1)
    torch.testing.assert_close(SCORES["entropy"](same), entropy, rtol=1e-4, atol=1e-5)
