"""Study files: layers of values, order, and what is amiss in one line."""

from pathlib import Path

import pytest

from oddscape.errors import OddscapeError
from oddscape.protocols import PROTOCOLS
from oddscape.recipes import read_recipe
from oddscape.study.plan import read_study
from oddscape.training.methods import LOSSES

CAMVID = Path(__file__).parents[2] / "studies" / "camvid" / "study.toml"
FOLDERS = {"data": "camvid", "negatives_data": "coco"}


@pytest.fixture
def study(tmp_path):
    """Read a study from text."""

    def read(text, **options):
        path = tmp_path / "study.toml"
        path.write_text(text)
        return read_study(path, **options)

    return read


def test_the_example_compares_every_loss_from_the_same_start():
    study = read_study(CAMVID, common=FOLDERS)
    assert study.protocol is PROTOCOLS["camvid-heldout"]
    assert (study.evaluation_data, study.seeds, study.size) == (Path("camvid"), (0, 1, 2), None)
    runs = study.runs(Path("out"))
    assert len(runs) == 3 * len(study.methods)
    assert {run.config.method for run in runs} == set(LOSSES)
    first = Path("out/closed-set/seed-2/weights.safetensors")
    starts = {run.method.name: run.config.weights for run in runs if run.config.seed == 2}
    assert starts == {name: None if name == "closed-set" else first for name in starts}
    for run in runs:
        takes = LOSSES[run.config.method].takes_negatives
        assert run.config.negatives_data == (Path("coco") if takes else None)
        assert run.method.saw_outliers == takes
        assert run.results == run.folder.path.parent / f"seed-{run.config.seed}.json"
    fine = [run.config for run in runs if run.method.name not in ("closed-set", "dicnet")]
    assert {(config.epochs, config.learning_rate, config.crop) for config in fine} == {(8, 3e-4, (192, 256))}


def test_a_methods_own_values_go_before_the_common_ones_and_these_before_the_recipes(study):
    found = study("""
        protocol = "town"
        size = "320x180"
        scores = ["msp"]
        [common]
        recipe = "small-ladder-town"
        data = "here"
        epochs = 5
        model_options = { width = 8 }
        [methods.plain]
        [methods.longer]
        epochs = 7
        scores = ["energy"]
        model_options = { void = false }
        [methods.other]
        recipe = "small-ladder-camvid"
    """)
    plain, longer, other = (run.config for run in found.runs(Path()))
    recipe, camvid = read_recipe("small-ladder-town").values, read_recipe("small-ladder-camvid").values
    assert (plain.epochs, longer.epochs, other.epochs) == (5, 7, 5)
    assert (plain.crop, other.crop) == (recipe["crop"], camvid["crop"])
    assert (plain.model_options, longer.model_options) == ({"width": 8}, {"width": 8, "void": False})
    assert [method.scores for method in found.methods] == [("msp",), ("energy",), ("msp",)]
    assert (found.size, found.seeds) == ((180, 320), (0,))


def test_the_size_may_be_that_of_the_shorter_side(study):
    assert study(f'size = "432"\n{GOOD}').size == 432


def test_what_is_given_beside_the_file_goes_before_it(study):
    text = 'protocol = "town"\n[common]\nrecipe = "small-ladder-town"\ndata = "there"\n[methods.m]\n'
    assert study(text).evaluation_data == Path("there")
    found = study(text, protocol="masks", evaluation_data=Path("masks"), common={"data": "here"})
    assert (found.protocol.name, found.evaluation_data) == ("masks", Path("masks"))
    assert found.runs(Path())[0].config.data == Path("here")


def test_methods_come_after_those_that_they_start_from_else_in_order(study):
    starts = {"d": "b", "c": "", "b": "a", "a": "", "e": "a"}
    tables = (f'[methods.{name}]\nstarts_from = "{start}"\n' for name, start in starts.items())
    common = '[common]\nrecipe = "small-ladder-town"\ndata = "here"\n'
    found = study(f'protocol = "town"\n{common}' + "".join(tables).replace('starts_from = ""\n', ""))
    assert "".join(method.name for method in found.methods) == "abdce"


def test_a_network_that_starts_from_one_that_saw_outliers_saw_them_too(study):
    found = study("""
        protocol = "town"
        [common]
        data = "here"
        negatives_data = "there"
        [methods.first]
        recipe = "densehybrid-small-ladder-town"
        weights = "mine.safetensors"
        [methods.dicnet]
        recipe = "dicnet-small-ladder-town"
        starts_from = "first"
    """)
    assert [method.saw_outliers for method in found.methods] == [True, True]


GOOD = 'protocol = "town"\n[common]\nrecipe = "small-ladder-town"\ndata = "here"\n[methods.m]\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("protocol =", r"^cannot read a study from .*study\.toml"),
        ("", r"study\.toml: protocol is missing: the name of one, or its file"),
        ('protocol = "town"', r"a study needs methods, each a table \[methods\.NAME\]"),
        (GOOD.replace("town", "twon", 1), r"unknown protocol 'twon'; known: "),
        (f"seed = 1\n{GOOD}", r"unknown key seed; known: protocol, .*seeds"),
        (f"seeds = [1, 1]\n{GOOD}", r"seeds = \[1, 1\]: expected different whole numbers"),
        (f"seeds = 3\n{GOOD}", r"seeds = 3: expected different whole numbers"),
        (f"seeds = []\n{GOOD}", r"seeds = \[\]: expected different whole numbers"),
        (f'scores = "msp"\n{GOOD}', r"scores = 'msp': expected names"),
        (f'size = "big"\n{GOOD}', r"'big' is no size"),
        (f"{GOOD}scores = []", r"\[methods\.m\] scores = \[\]: expected names"),
        (f"{GOOD}seed = 3", r"\[methods\.m\] must not say seed: the study does"),
        (f"{GOOD}epoch = 3", r"\[methods\.m\] unknown field epoch; known: .*epochs"),
        (f"{GOOD}epochs = 0", r"\[methods\.m\] epochs must be more than 0"),
        (f'{GOOD}recipe = "none"', r"\[methods\.m\] no recipe 'none'; there are densehybrid-"),
        (f'{GOOD}method = "none"', r"\[methods\.m\] needs a method, one of closed-set, .*, not 'none'"),
        (f'{GOOD}method = "densehybrid"', r"\[methods\.m\] densehybrid needs negatives"),
        (GOOD.replace('data = "here"\n', ""), r"\[methods\.m\] lacks data \(a town: "),
        (
            'protocol = "town"\n[methods.closed-set]\ninliers = ["mine"]\nweights = "w"',
            r"evaluation_data is missing: folder of the protocol's data set",
        ),
        (f'{GOOD}starts_from = "x"', r"\[methods\.m\] starts_from 'x', which is no method of .*there are m"),
        (f'{GOOD}starts_from = "m"', r"\[methods\.m\] starts_from goes in a circle: m, m$"),
        (
            f'{GOOD}starts_from = "n"\n[methods.n]\nstarts_from = "m"',
            r"starts_from goes in a circle: m, n, m$",
        ),
        (
            f'{GOOD}[methods.n]\nstarts_from = "m"\nweights = "w"',
            r"\[methods\.n\] says both starts_from and weights",
        ),
        (GOOD.replace("methods.m", 'methods."a/b"'), r"\[methods\.a/b\] names a folder: use letters"),
        (f"methods = 3\n{GOOD.partition('[methods')[0]}", r"a study needs methods"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(study, text, message):
    with pytest.raises(OddscapeError, match=message) as error:
        study(text)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(OddscapeError, match=r"^cannot read a study from .*none\.toml: No such file"):
        read_study(tmp_path / "none.toml")
