import math
import re
import warnings
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._dynamo.exc import TorchDynamoException
from torch._inductor.graph import GraphLowering
from torch._inductor.utils import fresh_cache, run_and_get_code

from oddscape import inference
from oddscape.inference import kernel
from oddscape.inference.kernel import classes_and_scores, compiled, fits_kernel, in_one_kernel, run_kernel
from oddscape.outputs import DenseOutput, NativeMaps
from oddscape.scores import SCORES, Score, read_score

IN_KERNEL = {name: score for name, score in SCORES.items() if fits_kernel(score)}


def output(native, size, *, align_corners=False, classes=7, device="cpu", dtype=torch.float32):
    generator, (n, h, w) = torch.Generator().manual_seed(0), native

    def maps(channels, height=h, width=w):
        drawn = 3 * torch.randn(n, channels, height, width, generator=generator)
        return drawn.to(device, dtype)

    heads = {"outlier_logits": maps(2, h + 1, w + 2), "void_logits": maps(1)}
    return DenseOutput(NativeMaps(maps(classes), **heads), size, align_corners)


def eager(out, scores):
    """The computation that is compiled, as it stands."""
    functions = tuple((name, score.function) for name, score in scores.items())
    with torch.inference_mode():
        return run_kernel(partial(classes_and_scores, functions), out, scores)


def assert_same(result, out, scores):
    """Equal to the plain computation, but for classes whose logits differ by rounding alone."""
    logits, classes = out.logits, result.classes.long()
    chosen = logits.gather(1, classes.unsqueeze(1)).squeeze(1)
    torch.testing.assert_close(chosen, out.max_logit, rtol=1e-6, atol=5e-6)
    assert (classes != logits.argmax(1)).float().mean() < 1e-3
    assert result.classes.dtype == torch.uint8
    assert result.scores.keys() == scores.keys()
    for name, score in scores.items():
        assert result.scores[name].dtype == torch.float32
        torch.testing.assert_close(result.scores[name], score(out), rtol=1e-4, atol=5e-5)


def test_scores_of_logits_and_heads_fit_the_kernel():
    assert set(IN_KERNEL) == set(SCORES) - {
        "rba",
        "eam",
        "dicnet",
        "predictive_entropy",
        "mutual_information",
    }
    assert fits_kernel(read_score("energy@temperature=2+smoothing", SCORES))
    assert not fits_kernel(read_score("gen@classes=3", SCORES))


@settings(max_examples=10)
@given(
    st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(1, 24), st.integers(1, 24)),
    st.booleans(),
)
def test_all_scores_equal_the_plain_computation(native, size, align_corners):
    out = output(native, size, align_corners=align_corners)
    assert_same(eager(out, IN_KERNEL), out, IN_KERNEL)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 30), st.integers(1, 30), st.booleans())
def test_blended_maps_are_those_of_interpolate(h, w, height, width, align_corners):
    out = output((2, h, w), (height, width), align_corners=align_corners)
    maps = out.native.logits
    wanted = F.interpolate(maps, out.size, mode="bilinear", align_corners=align_corners)
    found = kernel.blended(*kernel._placed(maps, out))
    # A place between two native ones is known to 2^-21 here, and neighbours differ by up to twenty.
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=2e-5)


def test_equal_logits_give_the_first_class():
    out = DenseOutput(NativeMaps(torch.zeros(2, 5, 4, 1)), (8, 8))
    assert eager(out, {}).classes.max() == 0


def test_half_precision_maps_are_computed_in_float32():
    out = output((1, 6, 5), (24, 20), dtype=torch.float16)
    assert_same(eager(out, IN_KERNEL), out, IN_KERNEL)


def test_the_networks_maps_are_left_as_they_were():
    out = output((1, 6, 5), (6, 5))
    before = out.native.logits.clone()
    eager(out, IN_KERNEL)
    assert torch.equal(out.native.logits, before)
    assert not vars(out.native.logits), "nothing of the compiler's stays with them"


@pytest.fixture
def as_if_on_a_gpu(monkeypatch):
    """``postprocess`` takes the way of a GPU, the kernel uncompiled."""
    monkeypatch.setattr(inference, "in_one_kernel", eager)
    monkeypatch.setattr(torch.Tensor, "is_cuda", True, raising=False)


@pytest.mark.usefixtures("as_if_on_a_gpu")
def test_other_scores_go_by_bands_beside_the_kernel():
    out = output((1, 6, 8), (24, 32))
    native = NativeMaps(
        out.native.logits,
        features=torch.randn(1, 4, 6, 8),
        member_logits=out.native.logits[None].repeat(2, 1, 1, 1, 1),
    )
    out = DenseOutput(native, out.size)
    whole = Score("whole", lambda out: out.log_evidence, "", "", per_pixel=False, reads_evidence=True)
    scores = {name: SCORES[name] for name in ("energy", "mutual_information")} | {"whole": whole}
    scores["msp+smoothing"] = read_score("msp+smoothing", SCORES)
    assert_same(inference.postprocess(out, scores), out, scores)
    assert list(inference.postprocess(out, scores).scores) == list(scores)


@pytest.fixture(params=[TorchDynamoException, RuntimeError])
def no_compiler(monkeypatch, request):
    def refuse(*_):
        raise request.param("no Triton\nand a long trace")

    monkeypatch.setattr(kernel, "compiled", refuse)
    monkeypatch.setattr(kernel, "_refused", set())
    monkeypatch.setattr(torch.Tensor, "is_cuda", True, raising=False)


@pytest.mark.usefixtures("no_compiler")
def test_where_nothing_compiles_bands_do_it_and_one_warning_says_why():
    out, scores = output((1, 6, 8), (24, 32)), {"energy": SCORES["energy"]}
    with pytest.warns(UserWarning, match="bands, not in one kernel: no Triton$"):
        assert_same(inference.postprocess(out, scores), out, scores)
    with warnings.catch_warnings(action="error"):
        assert_same(inference.postprocess(out, scores), out, scores)


def test_want_of_memory_is_not_taken_for_want_of_a_compiler(monkeypatch):
    def refuse(*_):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(kernel, "compiled", refuse)
    with pytest.raises(torch.OutOfMemoryError):
        in_one_kernel(output((1, 6, 8), (24, 32)), {"energy": SCORES["energy"]})
    assert not kernel._refused


def test_compilation_that_is_switched_off_is_not_missed():
    with torch._dynamo.config.patch(disable=True):
        assert in_one_kernel(output((1, 6, 8), (24, 32)), {}) is None


@pytest.fixture
def fresh_compiler():
    """The compiler has nothing in store, and writes sizes as numbers, for it has seen no others."""
    torch.compiler.reset()
    compiled.cache_clear()
    with fresh_cache():
        yield


def buffers(code):
    """Numbers of elements of all buffers that generated code allocates."""
    shapes = re.findall(r"empty_strided_\w+\(\(([\d, ]+)\)", code)
    return sorted(math.prod(int(side) for side in shape.split(",") if side.strip()) for shape in shapes)


def assert_one_kernel(code, pixels, maps):
    """Generated code has one kernel, allocates the maps that it returns, and nothing else."""
    assert len(re.findall(r"= async_compile\.\w+\(", code)) == 1
    assert "extern_kernels." not in code.replace("extern_kernels = ", "")
    assert buffers(code) == [pixels] * maps


@pytest.fixture
def compilations(monkeypatch, fresh_compiler):  # noqa: ARG001
    """One entry for each time that something new is compiled, to what computes it as it stands."""
    graphs, compile_ = [], torch.compile

    def backend(graph, _):
        graphs.append(graph)
        return graph

    def traced(function, *, fullgraph, options):  # noqa: ARG001
        return compile_(function, fullgraph=fullgraph, backend=backend)

    monkeypatch.setattr(torch, "compile", traced)
    yield graphs
    compiled.cache_clear()


SQUARE, WIDE, TALL = ((8, 8), (32, 32)), ((8, 16), (32, 64)), ((21, 11), (84, 44))


@pytest.mark.parametrize(
    ("pictures", "most"),
    [
        ([WIDE, WIDE], 1),
        ([WIDE, TALL, ((9, 17), (33, 65)), ((11, 11), (44, 44))], 2),
        ([SQUARE, WIDE, TALL, ((10, 20), (40, 77)), SQUARE, ((12, 30), (12, 30))], 3),
    ],
)
def test_sizes_that_vary_are_compiled_for_once(compilations, pictures, most):
    scores = {name: SCORES[name] for name in ("energy", "densehybrid")}
    for native, size in pictures:
        out = output((1, *native), size)
        out = DenseOutput(NativeMaps(out.native.logits, out.native.logits[:, :2].clone()), size)
        with torch.inference_mode():
            result = in_one_kernel(out, scores)
        assert result is not None
        assert_same(result, out, scores)
    assert len(compilations) <= most


def test_every_set_of_scores_is_compiled_however_many_there_are(compilations):
    out, sets = output((1, 3, 4), (6, 8)), torch._dynamo.config.recompile_limit + 1
    for name in (f"energy@temperature={1 + number}" for number in range(sets)):
        with torch.inference_mode():
            assert in_one_kernel(out, {name: read_score(name, SCORES)}) is not None
    assert len(compilations) == sets


def test_maps_with_and_without_a_gradient_share_a_kernel(compilations):
    out = output((1, 3, 4), (6, 8))
    for logits in (out.native.logits, out.native.logits.clone().requires_grad_()):
        with torch.inference_mode():
            in_one_kernel(DenseOutput(NativeMaps(logits), out.size), {"energy": SCORES["energy"]})
    assert len(compilations) == 1


def test_it_is_traced_whole():
    out = output((2, 5, 4), (11, 13), classes=5)
    functions = tuple((name, score.function) for name, score in IN_KERNEL.items())
    traced = torch.compile(partial(classes_and_scores, functions), backend="eager", fullgraph=True)
    with torch.inference_mode():
        assert_same(run_kernel(traced, out, IN_KERNEL), out, IN_KERNEL)


@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
@pytest.mark.parametrize("classes", [2, 3, 5, 8])
def test_the_compiler_writes_no_logits_to_memory(classes, monkeypatch):
    written = []

    def write(graph):
        written.append(graph.codegen()[0].value)
        raise RuntimeError("it is written, and is not built")

    monkeypatch.setattr(GraphLowering, "compile_to_module", write)
    out, scores = output((1, 6, 10), (48, 80), classes=classes), {"energy": SCORES["energy"]}
    functions = tuple((name, score.function) for name, score in scores.items())
    with torch.inference_mode(), pytest.raises(TorchDynamoException, match="not built"):
        run_kernel(compiled(classes, functions), out, scores)
    # The C++ backend keeps maps of one value a pixel between its loops.
    assert set(buffers(written[0])) == {48 * 80}


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
class TestOnGpu:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
    @pytest.mark.parametrize("align_corners", [False, True])
    def test_all_scores_equal_the_plain_computation(self, align_corners, dtype):
        for native, size in [((1, 32, 64), (128, 256)), ((2, 33, 40), (99, 170)), ((2, 20, 31), (64, 121))]:
            out = output(native, size, align_corners=align_corners, classes=19, device="cuda", dtype=dtype)
            assert_same(inference.postprocess(out, IN_KERNEL), out, IN_KERNEL)

    @pytest.mark.parametrize("classes", [3, 19, 150])
    @pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
    def test_classes_and_scores_in_any_layout(self, classes, layout):
        for native, size in [((1, 32, 64), (128, 256)), ((2, 17, 23), (67, 91))]:
            maps = output(native, size, classes=classes, device="cuda").native.logits
            out = DenseOutput(NativeMaps(maps.contiguous(memory_format=layout)), size)
            scores = {name: SCORES[name] for name in ("energy", "max_logit", "entropy", "msp")}
            assert_same(inference.postprocess(out, scores), out, scores)

    def test_bands_are_exact_where_matrix_products_need_not_be(self):
        out = output((1, 32, 64), (128, 256), device="cuda")
        scores = {"gen@classes=3": read_score("gen@classes=3", SCORES)}
        torch.set_float32_matmul_precision("medium")
        try:
            result = inference.by_bands(out, scores)
        finally:
            torch.set_float32_matmul_precision("highest")
        assert_same(result, out, scores)

    @pytest.mark.usefixtures("fresh_compiler")
    @pytest.mark.parametrize("classes", [2, 3, 5, 19, 100])
    def test_one_kernel_and_no_memory_beside_the_maps(self, classes):
        size, scores = (
            (1024, 2048),
            {name: SCORES[name] for name in ("energy", "entropy", "densehybrid", "gen")},
        )
        out = output((1, 256, 512), size, classes=classes, device="cuda")
        with torch.inference_mode():
            _, (code,) = run_and_get_code(in_one_kernel, out, scores)
        assert_one_kernel(code, math.prod(size), 5)
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        result = inference.postprocess(out, scores)
        added = torch.cuda.max_memory_allocated() - before
        assert added <= result.classes.nbytes + sum(score.nbytes for score in result.scores.values()) + 2**20
