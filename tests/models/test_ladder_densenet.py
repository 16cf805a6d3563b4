import importlib.util
import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from oddscape.models.ladder_densenet import LadderDenseNet, SpatialPyramidPooling
from oddscape.models.pyramid import pool_to_grid, spread_from_grid, square_cell_grid
from oddscape.scores import SCORES


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return LadderDenseNet(5, outlier_head=True).eval()


@pytest.fixture(scope="module")
def seeded_weights(shared_reference):
    spec = importlib.util.spec_from_file_location("seeded_weights", shared_reference / "seeded_weights.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def released_shapes(shared_reference):
    return json.loads((shared_reference / "networks" / "state_dict_shapes.json").read_text())


@pytest.mark.parametrize(("name", "outlier_head"), [("ldn121", False), ("densehybrid_ldn121", True)])
def test_names_and_shapes_are_the_released_ones(released_shapes, name, outlier_head):
    wanted = released_shapes[name]
    made = LadderDenseNet(wanted["logits.conv.bias"][0], outlier_head=outlier_head).state_dict()
    assert {key: list(tensor.shape) for key, tensor in made.items()} == wanted


@torch.no_grad()
def test_outputs_and_score_equal_the_published_networks(shared_reference, seeded_weights, released_shapes):
    case = json.loads((shared_reference / "networks" / "case.json").read_text())
    reference = np.load(shared_reference / "networks" / "densehybrid_ldn121.npz")
    shapes, gain = released_shapes["densehybrid_ldn121"], case["gain"]["densehybrid_ldn121"]
    net = LadderDenseNet(12, outlier_head=True).eval()
    net.load_state_dict(seeded_weights.seeded_state_dict(shapes, gain=gain, salt=case["salt"]))
    out = net(seeded_weights.seeded_image(*case["size"], case["image_seed"]))

    arrays = {
        "logits": out.logits[..., ::4, ::4],
        "outlier_logits": out.outlier_logits[..., ::4, ::4],
        "score": SCORES["densehybrid"](out)[..., ::2, ::2],
    }
    for name, array in arrays.items():
        assert np.abs(array.numpy() - reference[name]).max() < 1e-3 * reference[name].std(), name


@pytest.mark.parametrize("size", [(65, 97), (37, 130), (130, 37), (9, 20), (3, 3)])
@torch.no_grad()
def test_any_size_gives_maps_at_a_quarter_and_at_the_pictures_size(net, size):
    out = net(torch.rand(1, 3, *size))
    quarter = tuple((side + 1) // 2 // 2 for side in size)
    assert out.native.features.shape == (1, 128, *quarter)
    assert out.native.logits.shape == (1, 5, *quarter)
    assert out.logits.shape == (1, 5, *size)
    assert out.outlier_logits.shape == (1, 2, *size)
    assert out.logits.isfinite().all()


@torch.no_grad()
def test_features_are_what_the_heads_read(net):
    maps = net(torch.rand(1, 3, 32, 32)).native
    head = net.logits
    torch.testing.assert_close(head.conv(F.relu(head.norm(maps.features))), maps.logits)


sides = st.integers(1, 70)


@given(rows=st.sampled_from([1, 2, 4, 8]), height=sides, width=sides)
def test_a_grid_of_square_cells_rounds_half_to_even(rows, height, width):
    assert square_cell_grid(rows, (height, width)) == (rows, max(1, round(rows * width / height)))


@given(rows=st.integers(1, 9), columns=st.integers(1, 20), height=sides, width=sides)
def test_pooling_and_spreading_equal_the_stock_operators(rows, columns, height, width):
    x = torch.rand(1, 2, height, width)
    cells = F.adaptive_avg_pool2d(x, (rows, columns))
    torch.testing.assert_close(pool_to_grid(x, (rows, columns)), cells)
    spread = F.interpolate(cells, (height, width), mode="bilinear")
    back = spread_from_grid(cells, (rows, columns), (height, width))
    torch.testing.assert_close(back, spread, rtol=1e-5, atol=1e-5)


@given(columns=st.integers(1, 9), more=st.integers(1, 4), width=sides)
def test_columns_beyond_the_grid_are_empty_and_count_nothing(columns, more, width):
    x, grid = torch.rand(1, 2, 3, width), (2, columns)
    wide = pool_to_grid(x, grid, columns + more)
    torch.testing.assert_close(wide[..., :columns], pool_to_grid(x, grid))
    assert not wide[..., columns:].any()
    wide[..., columns:] = 1e3
    back = spread_from_grid(wide, grid, (3, width))
    torch.testing.assert_close(back, spread_from_grid(wide[..., :columns], grid, (3, width)))


@pytest.mark.parametrize("size", [(5, 7), (4, 9), (9, 4), (2, 5), (1, 1)])
@torch.no_grad()
def test_the_pyramid_equals_its_plain_form(size):
    net, x = SpatialPyramidPooling(1024).eval(), torch.rand(2, 1024, *size)
    first = net.spp["spp_bn"](x)
    maps = [first]
    for name, rows in (("spp0", 8), ("spp1", 4), ("spp2", 2), ("spp3", 1)):
        cells = F.adaptive_avg_pool2d(first, (rows, max(1, round(rows * size[1] / size[0]))))
        maps.append(F.interpolate(net.spp[name](cells), size, mode="bilinear"))
    wanted = net.spp["spp_fuse"](torch.cat(maps, 1))
    torch.testing.assert_close(net(x), wanted, rtol=1e-4, atol=1e-5)


def trained_a_step(*, checkpointing, autocast, train=True):
    """Gradients, statistics after a step, and the bytes kept for the backward pass."""
    torch.manual_seed(0)
    net = LadderDenseNet(3, outlier_head=True, checkpointing=checkpointing).train(train)
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            out = net(torch.rand(2, 3, 64, 64))
        out.logits.square().mean().backward()
    gradients = {name: weight.grad for name, weight in net.named_parameters()}
    return gradients, dict(net.named_buffers()), sum(kept.values())


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("autocast", [False, True])
def test_checkpointing_changes_memory_alone(train, autocast):
    gradients, statistics, kept = trained_a_step(checkpointing=False, autocast=autocast, train=train)
    again, same_statistics, fewer = trained_a_step(checkpointing=True, autocast=autocast, train=train)
    assert sum(gradient is not None for gradient in gradients.values()) > 300
    for name, gradient in gradients.items():
        assert (gradient is None) == (again[name] is None)
        assert gradient is None or torch.equal(gradient, again[name]), name
    for name, buffer in statistics.items():
        assert torch.equal(buffer, same_statistics[name]), name
    assert statistics["backbone.features.denseblock1.denselayer1.norm1.num_batches_tracked"] == int(train)
    assert fewer < 0.6 * kept


@torch.no_grad()
def test_an_export_of_the_pyramid_equals_eager_for_the_longest_pictures():
    # Of the whole network, the shared tests show it for usual ones.
    net, sides = SpatialPyramidPooling(16).eval(), {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    exported = torch.export.export(net, (torch.rand(1, 16, 3, 5),), dynamic_shapes=(sides,)).module()
    for size in [(3, 5), (5, 3), (2, 5), (5, 2), (4, 4), (2, 7), (7, 2), (2, 33), (33, 2)]:
        x = torch.rand(1, 16, *size)
        torch.testing.assert_close(exported(x), net(x), rtol=1e-4, atol=1e-5)
