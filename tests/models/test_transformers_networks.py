"""Networks of transformers: tiny ones with random weights, made and saved on the spot."""

import copy
import json
import socket
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oddscape.errors import OddscapeError
from oddscape.evaluation import evaluate
from oddscape.models.mask_classification import class_evidence
from oddscape.models.outlier_head import with_outlier_head
from oddscape.models.square_windows import SquareWindows
from oddscape.models.transformers_networks import transformers_network
from oddscape.protocols import PROTOCOLS
from oddscape.scores import fitting_scores

tf = pytest.importorskip("transformers")

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PROCESSOR = {"do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True}
PROCESSOR |= {"image_mean": MEAN, "image_std": STD}
STAGES = {"out_features": ["stage1", "stage2", "stage3", "stage4"]}
MASKS = {"num_queries": 7, "num_labels": 5}


def segformer():
    widths = {"hidden_sizes": [8, 8, 16, 16], "decoder_hidden_size": 16, "depths": [1] * 4}
    config = tf.SegformerConfig(**widths, num_attention_heads=[1, 1, 2, 2], num_labels=5)
    return tf.SegformerForSemanticSegmentation(config)


def upernet():
    backbone = tf.ConvNextConfig(hidden_sizes=[4, 8, 12, 16], depths=[1] * 4, **STAGES)
    config = tf.UperNetConfig(backbone_config=backbone, hidden_size=16, auxiliary_channels=8, num_labels=5)
    return tf.UperNetForSemanticSegmentation(config)


def swin():
    return tf.SwinConfig(embed_dim=8, depths=[1] * 4, num_heads=[1, 1, 2, 2], window_size=4, **STAGES)


def mask2former(backbone=None):
    widths = {"feature_size": 32, "hidden_dim": 32, "mask_feature_size": 16}
    layers = {"encoder_layers": 1, "decoder_layers": 2, "num_attention_heads": 2}
    inner = {"encoder_feedforward_dim": 32, "dim_feedforward": 32}
    config = tf.Mask2FormerConfig(backbone_config=backbone or swin(), **widths, **layers, **inner, **MASKS)
    return tf.Mask2FormerForUniversalSegmentation(config)


def mask2former_resnet():
    widths = {"embedding_size": 8, "hidden_sizes": [8, 8, 16, 16], "depths": [1] * 4}
    return mask2former(tf.ResNetConfig(**widths, layer_type="basic", **STAGES))


def maskformer():
    decoder = {"d_model": 32, "decoder_layers": 1, "decoder_ffn_dim": 32, "decoder_attention_heads": 2}
    widths = {"fpn_feature_size": 32, "mask_feature_size": 16, "num_labels": 5}
    decoder_config = tf.DetrConfig(**decoder, num_queries=7)
    config = tf.MaskFormerConfig(backbone_config=swin(), decoder_config=decoder_config, **widths)
    return tf.MaskFormerForInstanceSegmentation(config)


VIT = {"hidden_size": 16, "num_attention_heads": 2, "image_size": 64, "patch_size": 16}


def eomt():
    config = tf.EomtConfig(**VIT, num_hidden_layers=3, num_blocks=2, **MASKS)
    return tf.EomtForUniversalSegmentation(config)


def eomt_dinov3():
    config = tf.EomtDinov3Config(**VIT, intermediate_size=32, num_hidden_layers=3, num_blocks=2, **MASKS)
    return tf.EomtDinov3ForUniversalSegmentation(config)


def beit():
    layers = {"num_hidden_layers": 4, "intermediate_size": 32, "out_indices": [0, 1, 2, 3]}
    return tf.BeitForSemanticSegmentation(tf.BeitConfig(**VIT, **layers, pool_scales=[1, 2], num_labels=5))


def mobilevit():
    widths = {"hidden_sizes": [16] * 3, "neck_hidden_sizes": [8] * 6 + [16], "aspp_out_channels": 16}
    return tf.MobileViTForSemanticSegmentation(
        tf.MobileViTConfig(**widths, num_attention_heads=2, num_labels=5)
    )


SEMANTIC, MASK, SQUARE = [segformer, upernet], [mask2former], [eomt]
OTHERS = [maskformer, eomt_dinov3, beit, mobilevit]
LAYERS = {
    segformer: "net.segformer.stages.0.patch_embeddings.proj",
    upernet: "net.decode_head.fpn_convs.0",
    mask2former: "net.model.pixel_level_module.decoder.mask_projection",
    eomt: "net.upscale_block.block.0",
}


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def save(model, folder, **processor):
    """Save a model with its processor's file; the library's own writing is as quiet as ours."""
    tf.logging.set_verbosity_error()
    tf.logging.disable_progress_bar()
    model.eval().save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSOR | processor))
    return model


@pytest.fixture
def made(tmp_path):
    """Make a tiny model, save it and load it: the model itself and ours."""

    def make(maker, **processor):
        torch.manual_seed(0)
        model = save(maker(), tmp_path / "net", **processor)
        return model, transformers_network(tmp_path / "net")

    return make


def normalised(image):
    return (image - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


# The user's story


@pytest.mark.parametrize("maker", [*SEMANTIC, *MASK, *SQUARE])
def test_a_network_of_somebody_elses_is_scored_evaluated_and_taught(
    made, masks_folder, densehybrid_loss, maker
):
    _, net = made(maker, do_split_image=True)
    assert not net.training
    assert (net.num_classes, net.class_names) == (5, tuple(f"LABEL_{k}" for k in range(5)))
    with torch.no_grad():
        out = net(torch.rand(1, 3, 61, 99))
    for name, score in fitting_scores(out.fields).items():
        assert score(out).shape == (1, 61, 99), name
        assert score(out).isfinite().all(), name
    results = evaluate(net, PROTOCOLS["masks"], masks_folder, ["msp", "energy"])
    assert 0 < results.of("energy").pooled.average_precision < 1

    # A batch norm of the network's own wants two pictures.
    image = torch.rand(2, 3, 64, 64)
    for layer in ("features", LAYERS[maker]):
        headed = with_outlier_head(net, layer).train()
        optimizer = torch.optim.SGD(headed.parameters(), lr=1e-3)
        loss = densehybrid_loss(headed, image)
        loss.backward()
        gradients = [p.grad for p in headed.net.parameters() if p.grad is not None]
        assert loss.isfinite()
        assert all(gradient.isfinite().all() for gradient in gradients)
        assert sum(gradient.abs().sum() for gradient in gradients) > 0
        before = headed.outlier_head.conv.weight.detach().clone()
        optimizer.step()
        assert not torch.equal(headed.outlier_head.conv.weight, before)
        assert "densehybrid" in fitting_scores(headed.eval()(image).fields)
        net.eval()


# The same figures as the library's


@pytest.mark.parametrize("maker", [*SEMANTIC, beit])
@torch.no_grad()
def test_logits_are_the_models_own(made, maker):
    model, net = made(maker)
    image = torch.rand(2, 3, 64, 96)
    wanted = model(normalised(image)).logits
    found = net(image)
    if maker is upernet:  # which upsamples itself
        assert found.native.logits.shape == (2, 5, 16, 24)
        torch.testing.assert_close(found.logits, wanted)
    else:
        torch.testing.assert_close(found.native.logits, wanted)


@pytest.mark.parametrize("maker", [segformer, upernet, beit, mobilevit])
@torch.no_grad()
def test_features_are_what_the_classifier_reads(made, maker):
    model, net = made(maker)
    read = []
    head = model.segmentation_head if maker is mobilevit else model.decode_head
    head.classifier.register_forward_hook(lambda _layer, inputs, _output: read.append(inputs[0]))
    image = torch.rand(1, 3, 64, 96)
    model(normalised(image))
    torch.testing.assert_close(net(image).native.features, read[0])


@pytest.mark.parametrize("maker", [mask2former, maskformer, eomt, eomt_dinov3])
@torch.no_grad()
def test_mask_and_class_logits_are_the_models_own(made, maker):
    model, net = made(maker)
    image = torch.rand(2, 3, 64, 64)
    wanted, found = model(normalised(image)), net(image).native
    torch.testing.assert_close(found.mask_logits, wanted.masks_queries_logits)
    torch.testing.assert_close(found.class_logits, wanted.class_queries_logits)
    torch.testing.assert_close(found.logits, class_evidence(found.mask_logits, found.class_logits))
    assert found.features.shape[-2:] == found.mask_logits.shape[-2:]
    if maker in (mask2former, maskformer):
        torch.testing.assert_close(found.features, wanted.pixel_decoder_last_hidden_state)


@pytest.mark.parametrize(
    ("maker", "kind", "options"),
    [
        (segformer, "SegformerImageProcessorPil", {}),
        (segformer, "SegformerImageProcessorPil", {"do_rescale": False}),
        (segformer, "SegformerImageProcessorPil", {"do_normalize": False}),
        (segformer, "SegformerImageProcessorPil", {"do_normalize": False, "do_rescale": False}),
        (segformer, "SegformerImageProcessorPil", {"rescale_factor": 1 / 127.5, "image_mean": [1, 1.1, 1.2]}),
        (beit, "BeitImageProcessorPil", {}),
        (mobilevit, "MobileViTImageProcessorPil", {"do_center_crop": False}),
        (mask2former, "Mask2FormerImageProcessorPil", {}),
    ],
)
@torch.no_grad()
def test_colours_are_the_processors(tmp_path, maker, kind, options):
    torch.manual_seed(0)
    model, processor = save(maker(), tmp_path), getattr(tf, kind)(do_resize=False, **options)
    processor.save_pretrained(tmp_path)
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    given_to_model = processor(picture, return_tensors="pt", input_data_format="channels_last")
    image = torch.from_numpy(picture).permute(2, 0, 1).unsqueeze(0) / 255
    found, wanted = (
        transformers_network(tmp_path)(image).native,
        model(given_to_model["pixel_values"].float()),
    )
    if maker is mask2former:
        torch.testing.assert_close(found.mask_logits, wanted.masks_queries_logits, rtol=1e-4, atol=1e-4)
    else:
        torch.testing.assert_close(found.logits, wanted.logits, rtol=1e-4, atol=1e-4)


def test_normalisation_may_be_given_instead(tmp_path):
    model = save(segformer(), tmp_path)
    (tmp_path / "preprocessor_config.json").unlink()
    with pytest.raises(OddscapeError, match=r"has no readable preprocessor_config.json.*normalise=\(mean"):
        transformers_network(tmp_path)
    net, image = transformers_network(tmp_path, normalise=(MEAN, STD)), torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(net(image).native.logits, model(normalised(image)).logits)


# Classes of pixels from masks


def naive_evidence(masks, classes):
    """Sums of products in float64, one query after the other."""
    masks, classes = masks.double().sigmoid(), classes.double().softmax(-1)
    total = torch.zeros(masks.shape[0], classes.shape[-1] - 1, *masks.shape[-2:], dtype=torch.float64)
    for n in range(masks.shape[0]):
        for q in range(masks.shape[1]):
            for k in range(classes.shape[-1] - 1):
                total[n, k] += classes[n, q, k] * masks[n, q]
    return total


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.1, 1, 8, 30]), st.sampled_from([0.1, 1, 4]))
def test_the_posterior_is_that_of_the_masks(seed, mask_scale, class_scale):
    rng = torch.Generator().manual_seed(seed)
    masks = torch.randn(2, 7, 3, 4, generator=rng) * mask_scale
    classes = torch.randn(2, 7, 6, generator=rng) * class_scale
    wanted, found = naive_evidence(masks, classes), class_evidence(masks, classes)
    torch.testing.assert_close(found.softmax(1).double(), wanted / wanted.sum(1, True), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found.logsumexp(1).double(), wanted.sum(1).log(), rtol=1e-4, atol=1e-4)


def test_the_class_map_is_the_librarys_at_the_resolution_of_the_masks():
    # The library upsamples masks to 384×384 first: masks that have that size stay as they are.
    torch.manual_seed(0)
    masks, classes = torch.randn(1, 7, 384, 384), 3 * torch.randn(1, 7, 6)
    output = SimpleNamespace(masks_queries_logits=masks, class_queries_logits=classes)
    wanted = tf.Mask2FormerImageProcessorPil().post_process_semantic_segmentation(output)[0]
    assert torch.equal(class_evidence(masks, classes).argmax(1)[0], wanted)


def test_neither_certain_nor_empty_masks_lose_the_class():
    masks = torch.full((1, 2, 1, 3), -200.0)
    masks[0, 1] = torch.tensor([-190.0, -1e4, 200.0])
    classes = torch.tensor([[[0.0, 2.0, 0.0], [150.0, 0.0, 0.0]]])
    masks.requires_grad_()
    classes.requires_grad_()
    found = class_evidence(masks, classes)
    first, second = found[0, :, 0].tolist()
    assert first[0] == pytest.approx(-190, abs=1e-3)
    # In the second pixel only the first query's mask counts, and it says class 1.
    assert second[1] - first[1] == pytest.approx(2, abs=1e-4)
    assert first[2] == pytest.approx(0, abs=1e-6)
    found.logsumexp(1).sum().backward()
    assert masks.grad.isfinite().all()
    assert classes.grad.isfinite().all()


def test_gradients_are_those_of_the_plain_formula():
    torch.manual_seed(0)
    masks = torch.randn(1, 7, 2, 3, requires_grad=True)
    classes = torch.randn(1, 7, 6, requires_grad=True)
    sums = torch.einsum("nqk,nqhw->nkhw", classes.double().softmax(-1)[..., :-1], masks.double().sigmoid())
    weight = torch.randn(1, 5, 2, 3)
    wanted = torch.autograd.grad((sums.log() * weight).sum(), (masks, classes))
    found = torch.autograd.grad((class_evidence(masks, classes) * weight).sum(), (masks, classes))
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("scale", [1, 50, 1000])
def test_gradients_are_finite_for_any_logits(scale):
    torch.manual_seed(0)
    masks = (scale * torch.randn(1, 20, 64, 64)).requires_grad_()
    classes = (scale * torch.randn(1, 20, 6)).requires_grad_()
    found = class_evidence(masks, classes)
    (found.logsumexp(1).sum() - found[:, 0].sum()).backward()
    assert found.isfinite().all()
    assert masks.grad.isfinite().all()
    assert classes.grad.isfinite().all()


@pytest.mark.parametrize("maker", [mask2former, eomt])
@torch.no_grad()
def test_classes_may_be_picked_and_one_be_void_in_masks(made, tmp_path, maker):
    model, _ = made(maker)
    net = transformers_network(tmp_path / "net", num_classes=2, keep=[3, 1], void=4)
    assert (net.num_classes, net.class_names) == (2, ("LABEL_3", "LABEL_1"))
    image = torch.rand(1, 3, 64, 64)
    out, own = net(image), model(normalised(image))
    wanted = naive_evidence(own.masks_queries_logits, own.class_queries_logits).log().float()
    torch.testing.assert_close(out.native.logits, wanted[:, [3, 1]], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(out.native.void_logits, wanted[:, [4]], rtol=1e-4, atol=1e-4)
    # What is no known class is no object.
    found, all_classes = out.native.class_logits.softmax(-1), own.class_queries_logits.softmax(-1)
    torch.testing.assert_close(found[..., :2], all_classes[..., [3, 1]])


@torch.no_grad()
def test_classes_may_be_picked_and_one_be_void_in_logits(made, tmp_path):
    model, _ = made(segformer)
    net, image = transformers_network(tmp_path / "net", void=0), torch.rand(1, 3, 64, 64)
    assert net.class_names == ("LABEL_1", "LABEL_2", "LABEL_3", "LABEL_4")
    own = model(normalised(image)).logits
    torch.testing.assert_close(net(image).native.logits, own[:, 1:])
    torch.testing.assert_close(net(image).native.void_logits, own[:, :1])


# Sizes


@pytest.mark.parametrize("maker", [segformer, upernet, mask2former, eomt, *OTHERS])
@pytest.mark.parametrize("size", [(61, 99), (99, 61), (33, 40)])
@torch.no_grad()
def test_any_size_works(made, maker, size):
    _, net = made(maker)
    for fields in ({}, {"split": False}) if maker is eomt else ({},):
        if fields:
            net.showing.keywords.update(fields)
        out = net(torch.rand(2, 3, *size))
        assert out.logits.shape == (2, 5, *size)
        assert out.logits.isfinite().all()


@torch.no_grad()
def test_padding_is_cut_off_and_nothing_is_stretched(made):
    model, net = made(mask2former)
    image = torch.rand(1, 3, 40, 72)
    padded = torch.nn.functional.pad(image, (0, 24, 0, 24), mode="replicate")
    wanted, found = model(normalised(padded)), net(image).native
    torch.testing.assert_close(found.mask_logits, wanted.masks_queries_logits[..., :10, :18])
    torch.testing.assert_close(found.features, wanted.pixel_decoder_last_hidden_state[..., :10, :18])


@pytest.mark.parametrize("size", [(64, 160), (160, 64), (64, 64), (64, 128)])
def test_windows_are_those_of_the_librarys_processor(size):
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    processor = tf.EomtImageProcessorPil(
        size={"shortest_edge": 64, "longest_edge": None}, do_split_image=True, do_pad=False
    )
    wanted = torch.stack(list(processor(picture, return_tensors="pt")["pixel_values"]))
    image = torch.from_numpy(picture).permute(2, 0, 1).unsqueeze(0) / 255
    windows = SquareWindows(size, side=64, cells=16, split=True)
    torch.testing.assert_close(normalised(windows.pictures(image)), wanted, rtol=1e-4, atol=1e-5)


def test_a_picture_in_one_square_is_the_librarys():
    picture = np.random.default_rng(0).integers(0, 256, (48, 128, 3), np.uint8)
    processor = tf.EomtImageProcessorPil(size={"shortest_edge": 64, "longest_edge": 64}, do_pad=True)
    wanted = processor(picture, return_tensors="pt")["pixel_values"]
    windows = SquareWindows((48, 128), side=64, cells=16, split=False)
    assert windows.extent == (6, 16)
    shown = windows.pictures(torch.from_numpy(picture).permute(2, 0, 1).unsqueeze(0) / 255)
    assert not shown[..., 24:, :].any()
    # The library rounds pixels after resizing.
    torch.testing.assert_close(normalised(shown), torch.as_tensor(wanted), rtol=0, atol=0.02)


@pytest.mark.parametrize("size", [(64, 160), (170, 64), (64, 128)])
@torch.no_grad()
def test_classes_of_a_picture_in_windows_are_the_mean_over_windows(made, size):
    model, net = made(eomt, do_split_image=True)
    image = torch.rand(2, 3, *size)
    windows = SquareWindows(size, side=64, cells=16, split=True)
    tall, (rows, columns) = size[0] > size[1], windows.extent
    sums, features, count = torch.zeros(2, 5, rows, columns), torch.zeros(2, 16, rows, columns), 0
    cover = torch.zeros(rows, columns)
    shown = windows.pictures(image).reshape(2, -1, 3, 64, 64)
    for window, start in enumerate(windows.starts):
        own = model(normalised(shown[:, window]))
        along = slice(start, start + 16)
        place = (..., along, slice(None)) if tall else (..., slice(None), along)
        sums[place] += naive_evidence(own.masks_queries_logits, own.class_queries_logits).float()
        tokens = own.last_hidden_state[:, 7 + 1 + model.config.num_register_tokens :]
        features[place] += model.upscale_block(tokens.mT.reshape(2, 16, 4, 4))
        cover[place] += 1
        count += 1
    found = net(image).native
    assert cover.min() == 1
    assert found.mask_logits.shape == (2, 7 * count, rows, columns)
    # The rim of each window's masks, see SquareWindows.masks.
    torch.testing.assert_close(found.logits, (sums / cover).log(), rtol=0, atol=2e-3)
    torch.testing.assert_close(found.features, features / cover, rtol=1e-4, atol=1e-5)


def test_certain_masks_in_overlapping_windows_have_finite_gradients():
    windows = SquareWindows((64, 96), side=64, cells=16, split=True)
    masks = torch.tensor([-300.0, 0.0, 300.0]).view(1, 3, 1, 1).repeat(2, 1, 16, 16).requires_grad_()
    placed = windows.masks(masks)
    placed.sigmoid().sum().backward()
    assert masks.grad.isfinite().all()
    # In the overlap each window's certain mask counts half.
    assert placed[0, [2, 5], 0].sigmoid().sum(0).tolist() == pytest.approx([1.0] * 24, abs=1e-4)


@pytest.mark.parametrize(("width", "least"), [(128, 0.5), (96, 0.9)])
def test_where_windows_meet_upsampled_masks_leave_no_gap(width, least):
    windows = SquareWindows((64, width), side=64, cells=16, split=True)
    placed = windows.masks(torch.full((2, 1, 16, 16), 8.0))
    total = torch.nn.functional.interpolate(placed, (64, width), mode="bilinear").sigmoid().sum(1)
    assert least < total.min()
    assert total.max() < 1.05


# Export, autocast, copies


# With Swin, whose shifted windows take their time to trace, Mask2Former exports, too.
SLOW_EXPORT = pytest.param(mask2former_resnet, marks=pytest.mark.slow)


@pytest.mark.parametrize("maker", [upernet, SLOW_EXPORT, eomt])
@torch.no_grad()
def test_exports_with_any_number_of_pictures(made, maker):
    _, net = made(maker)
    sizes = ({0: torch.export.Dim("n", min=1, max=8)},)
    program = torch.export.export(net, (torch.rand(2, 3, 64, 96),), dynamic_shapes=sizes, strict=False)
    image = torch.rand(3, 3, 64, 96)
    found, wanted = program.module()(image), net(image)
    for field in wanted.fields:
        torch.testing.assert_close(
            getattr(found.native, field), getattr(wanted.native, field), rtol=1e-3, atol=1e-4
        )


@pytest.mark.parametrize("maker", [segformer, upernet, mask2former, eomt])
def test_runs_and_learns_in_bf16(made, maker):
    _, net = made(maker)
    image = torch.rand(1, 3, 64, 96)
    with torch.autocast("cpu", torch.bfloat16):
        out = net(image)
    torch.testing.assert_close(out.logits, net(image).logits, rtol=0.1, atol=0.1)
    out.logits.square().sum().backward()
    assert all(p.grad.isfinite().all() for p in net.parameters() if p.grad is not None)


@torch.no_grad()
def test_copies_stand_alone(made):
    _, net = made(mask2former)
    twin, image = copy.deepcopy(net), torch.rand(1, 3, 64, 64)
    wanted = net(image).logits
    for parameter in net.parameters():
        parameter.zero_()
    assert torch.equal(twin(image).logits, wanted)


# Loading


def test_loading_is_silent_and_leaves_the_librarys_settings(tmp_path, capfd, monkeypatch):
    save(segformer(), tmp_path)
    tf.logging.set_verbosity_info()
    tf.logging.enable_progress_bar()
    monkeypatch.delenv("DISABLE_SAFETENSORS_CONVERSION", raising=False)
    transformers_network(tmp_path)
    assert capfd.readouterr() == ("", "")
    assert tf.logging.get_verbosity() == tf.logging.INFO
    assert tf.logging.is_progress_bar_enabled()


def test_a_folder_never_reaches_for_the_network(tmp_path, monkeypatch):
    def refuse(*_):
        raise AssertionError("reached for the network")

    save(upernet(), tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert transformers_network(tmp_path).num_classes == 5


def test_a_hub_id_works_offline_from_the_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    repository, commit = tmp_path / "models--somebody--net", "0" * 40
    model = save(segformer(), repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    net, image = transformers_network("somebody/net"), torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(net(image).native.logits, model(normalised(image)).logits)
    with pytest.raises(
        OddscapeError,
        match=r"^transformers cannot load somebody/else, which is no folder here, from its hub: .*[^\n]$",
    ):
        transformers_network("somebody/else")


def break_config(folder):
    (folder / "config.json").write_text("{")


def without_config(folder):
    (folder / "config.json").unlink()


def without_weights(folder):
    (folder / "model.safetensors").unlink()


def truncated(folder):
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:5000])


def pickled(folder):
    without_weights(folder)
    torch.save({"decode_head.classifier.weight": SimpleNamespace()}, folder / "pytorch_model.bin")


def of_another_kind(folder):
    tf.ViTConfig().save_pretrained(folder)


def with_code(folder):
    config = {"model_type": "mine", "auto_map": {"AutoConfig": "code.Config"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "code.py").write_text("raise SystemExit('ran')")


def classifier(folder):
    config = tf.SegformerConfig.from_pretrained(folder)
    tf.SegformerForImageClassification(config).save_pretrained(folder)


def other_classes(folder):
    config = json.loads((folder / "config.json").read_text())
    names = {str(k): f"c{k}" for k in range(9)}
    (folder / "config.json").write_text(json.dumps(config | {"id2label": names}))


def without_mean(folder):
    (folder / "preprocessor_config.json").write_text("{}")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (break_config, "transformers cannot load .*JSON"),
        (without_config, r"no config.json in .*; expected a folder that save_pretrained wrote"),
        (without_weights, "transformers cannot load .*no file named"),
        (truncated, "transformers cannot load .*: .*header"),
        (pickled, "cannot load .*: its weights are pickled objects, which could run code; expected tensors"),
        (of_another_kind, "of transformers' kind 'vit'; expected a segmentation network: beit, .*upernet"),
        (with_code, "cannot load .*: it needs code of its own, which is never run"),
        (classifier, "weights of SegformerForImageClassification, which lack .*decode_head"),
        (
            other_classes,
            r"do not fit its config.json: decode_head.classifier.bias has shape \[5\], expected \[9\]",
        ),
        (without_mean, 'has no mean and deviation to normalise by: .*"image_mean": null'),
    ],
)
def test_a_bad_folder_gives_one_clear_line(tmp_path, damage, words):
    save(segformer(), tmp_path)
    damage(tmp_path)
    with pytest.raises(OddscapeError, match=words) as told:
        transformers_network(tmp_path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_classes": 4}, "has 5 known classes, not 4"),
        ({"num_classes": 5, "void": 0}, "has 4 known classes, not 5"),
        ({"keep": [0, 5]}, r"has 5 classes, 0 … 4; known classes are to be \[0, 5\], void None"),
        ({"keep": [0, 0]}, "known classes are to be"),
        ({"keep": []}, "known classes are to be"),
        ({"keep": [1], "void": 1}, "known classes are to be"),
    ],
)
def test_classes_that_are_not_there_are_said(tmp_path, options, words):
    save(segformer(), tmp_path)
    with pytest.raises(OddscapeError, match=words):
        transformers_network(tmp_path, **options)


@pytest.mark.parametrize("name", ["./nowhere", "/no/such/folder", "a/b/c", "~nobody"])
def test_a_folder_that_is_not_there_is_said(name):
    with pytest.raises(OddscapeError, match=f"no folder {name}; expected one that"):
        transformers_network(name)


def test_a_torchvision_for_another_torch_is_said(tmp_path, monkeypatch):
    def fail(_source):
        try:
            raise RuntimeError("operator torchvision::nms does not exist")
        except RuntimeError as error:
            raise ModuleNotFoundError("Could not import module 'SegformerModel'. Defined?") from error

    monkeypatch.setattr("oddscape.models.transformers_networks._config", fail)
    with pytest.raises(OddscapeError, match=r"^transformers needs torchvision, and torchvision "):
        transformers_network(tmp_path)


def test_the_command_that_installs_the_library_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(OddscapeError, match=r"pip install 'oddscape\[transformers\]'"):
        transformers_network(tmp_path)
