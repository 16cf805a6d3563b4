"""Several processes: what each does, and that together they give what one gives."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oddscape import data
from oddscape.component_sizes import ComponentSizes
from oddscape.errors import OddscapeError
from oddscape.evaluation import evaluate, evaluate_scores
from oddscape.fitting import fit_scores
from oddscape.models import create_model, save_checkpoint
from oddscape.processes import Processes, is_main_process
from oddscape.protocols import PROTOCOLS
from oddscape.results import Results
from oddscape.scenes import Scene
from oddscape.score_files import write_score
from oddscape.scores.fitted import FITTED
from oddscape.scores.fitted.files import load_scores


@given(st.integers(0, 50), st.integers(1, 9))
def test_parts_are_even_and_make_up_the_whole_in_its_order(items, count):
    parts = [range(items)[Processes(number, count).part(items)] for number in range(count)]
    assert [item for part in parts for item in part] == list(range(items))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_process_on_its_own_waits_for_nobody():
    alone = Processes.joined()
    assert alone == Processes(0, 1, None)
    assert alone.is_main
    assert list(alone.others("mine")) == []
    assert alone.told_by_main("said") == "said"


@pytest.mark.parametrize(("rank", "main"), [(None, True), ("0", True), ("1", False)])
def test_the_launcher_says_which_process_prints(monkeypatch, rank, main):
    monkeypatch.delenv("RANK", raising=False)
    if rank is not None:
        monkeypatch.setenv("RANK", rank)
    assert is_main_process() is main


def test_that_another_process_is_gone_is_one_line(monkeypatch):
    def closed(*_):
        raise RuntimeError("Connection closed by peer")

    monkeypatch.setattr(torch.distributed, "recv_object_list", closed)
    with pytest.raises(OddscapeError, match=r"^another process ended before its work was done"):
        list(Processes(0, 2).others("mine"))


class PartDoneError(Exception):
    """A process that is not the main one has handed over all that it has."""


class OneAfterAnother(Processes):
    """Processes that run one after another, the main one last; what they hand over waits as bytes."""

    waiting: dict[int, list[bytes]] = {}  # noqa: RUF012

    def others(self, mine):
        if not self.is_main:
            self.waiting[self.number].append(pickle.dumps(mine))
            return iter(())
        return map(pickle.loads, [self.waiting[number].pop(0) for number in range(1, self.count)])

    def told_by_main(self, value):
        if not self.is_main:
            raise PartDoneError
        return value


def in_parts(count, monkeypatch, evaluation):
    """An evaluation as some processes do it."""
    OneAfterAnother.waiting = {number: [] for number in range(1, count)}
    for number in range(1, count):
        monkeypatch.setattr(Processes, "joined", lambda number=number: OneAfterAnother(number, count))
        with pytest.raises(PartDoneError):
            evaluation()
    monkeypatch.setattr(Processes, "joined", lambda: OneAfterAnother(0, count))
    return evaluation()


def figures(path):
    """A file of results without the time."""
    results = json.loads(path.read_text())
    assert results.pop("seconds") >= 0
    del results["environment"]["time"]
    return results


def assert_same_figures(folder, one: Results, other: Results):
    for name, results in (("one", one), ("other", other)):
        results.save(folder / name)
    assert figures(folder / "one") == figures(folder / "other")


@pytest.mark.parametrize("engine", ["exact", "streaming"])
@pytest.mark.parametrize("count", [3, 10])
def test_parts_of_any_size_give_the_figures_of_the_whole(
    streethazards_folder, tiny_network, tmp_path, monkeypatch, engine, count
):
    def evaluation():
        protocol = PROTOCOLS["streethazards"]
        return evaluate(
            tiny_network(12), protocol, streethazards_folder, ["msp", "energy"], engine=engine
        )  # fmt: skip

    whole = evaluation()
    assert_same_figures(tmp_path, in_parts(count, monkeypatch, evaluation), whole)
    assert len(whole.pictures) == 8


def test_components_and_remarks_of_parts_are_those_of_the_whole(masks_folder, tmp_path, monkeypatch):
    sizes = {"a": (32, 48), "b": (16, 24), "c": (32, 48), "d": (8, 12)}
    for number, (name, size) in enumerate(sizes.items()):
        scores = np.random.default_rng(number).random(size, np.float32)
        write_score(tmp_path / "scores", name, scores)
    protocol = replace(PROTOCOLS["masks"], components=ComponentSizes(predicted=4, true=4))

    def evaluation():
        return evaluate_scores(tmp_path / "scores", protocol, masks_folder)

    whole = evaluation()
    assert_same_figures(tmp_path, in_parts(3, monkeypatch, evaluation), whole)
    assert [said.split()[2] for said in whole.overrides] == ["24×16", "12×8"]
    assert whole.scores[0].components.counts


def test_two_processes_evaluate_like_one_and_one_of_them_tells(streethazards_folder, tmp_path, two_processes):
    for number in (5, 6, 7):
        for path in streethazards_folder.glob(f"test/*/test/*/{number}.png"):
            path.unlink()
    torch.manual_seed(0)
    net = create_model("small_ladder", 12)
    weights = tmp_path / "w.safetensors"
    save_checkpoint(net, weights, {"model": "small_ladder", "num_classes": "12"})
    protocol = PROTOCOLS["streethazards"]
    names = {"model": "small_ladder", "weights": "w.safetensors"}
    alone = evaluate(net, protocol, streethazards_folder, ["msp", "energy"], **names)
    assert len(alone.pictures) == 5
    printed = two_processes(
        *("-m", "oddscape", "evaluate", "--protocol", "streethazards", "--data", streethazards_folder),
        *("--weights", weights, "--score", "msp", "--score", "energy", "--out", tmp_path / "together.json"),
    )
    alone.save(tmp_path / "alone.json")
    assert figures(tmp_path / "together.json") == figures(tmp_path / "alone.json")
    assert "results:" in printed[0]
    assert printed[1] == ""


def assert_alike(fitted, alone, net):
    """Two fits of one network to the same pictures: the sample bit for bit, sums up to rounding."""
    assert list(fitted) == list(alone)
    torch.manual_seed(0)
    out = net.eval()(torch.rand(1, 3, 64, 64))
    for name, score in alone.items():
        assert fitted[name].formula == score.formula
        torch.testing.assert_close(fitted[name](out), score(out), rtol=1e-4, atol=1e-4)
    assert torch.equal(fitted["knn"].function.directions, alone["knn"].function.directions)


@pytest.mark.parametrize("count", [3, 10])
def test_parts_of_any_size_fit_the_scores_of_the_whole(monkeypatch, count):
    rng, shown = np.random.default_rng(0), []
    pictures = [Scene(str(n), rng.integers(0, 256, (32, 64, 3), np.uint8)) for n in range(7)]
    torch.manual_seed(0)
    net = create_model("small_ladder", 5)

    def fit():
        return fit_scores(net, pictures, progress=lambda some: shown.append(len(some)) or some)

    alone = fit()
    assert list(alone) == list(FITTED)
    assert_alike(in_parts(count, monkeypatch, fit), alone, net)
    assert shown == [7, 7 // count]  # the main process's share alone


def test_two_processes_fit_like_one_and_one_of_them_tells(streethazards_folder, tmp_path, two_processes):
    torch.manual_seed(0)
    net = create_model("small_ladder", 12)
    weights, out = tmp_path / "w.safetensors", tmp_path / "fitted.safetensors"
    save_checkpoint(net, weights, {"model": "small_ladder", "num_classes": "12"})
    known = data.open("streethazards", streethazards_folder, split="training")
    alone = fit_scores(net, known, max_pictures=5)
    printed = two_processes(
        *("-m", "oddscape", "fit", "--dataset", "streethazards", "--data", streethazards_folder),
        *("--weights", weights, "--max-pictures", "5", "--out", out),
    )
    fitted = load_scores(out)
    assert_alike({name: fitted[name] for name in FITTED}, alone, net)
    assert printed[0].startswith("fitted sml, mahalanobis")
    assert printed[1] == ""
