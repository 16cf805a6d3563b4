"""What ``import oddscape as odd`` offers."""

import importlib
import subprocess
import sys

import pytest

import oddscape as odd

WITHOUT_DOCSTRINGS_OF_THEIR_OWN = {
    "__version__",
    *("DATASETS", "FITTED", "LOSSES", "MODELS", "POSTPROCESSING", "PROTOCOLS", "SCORES"),
}


@pytest.mark.parametrize("name", odd.__all__)
def test_every_public_name_is_there_and_says_what_it_is(name):
    value = getattr(odd, name)
    if name in WITHOUT_DOCSTRINGS_OF_THEIR_OWN:
        assert value
    else:
        assert value.__doc__


def test_names_are_unique_and_listed():
    assert len(set(odd.__all__)) == len(odd.__all__)
    assert dir(odd) == sorted(odd.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'oddscape' has no attribute 'evalute'"):
        _ = odd.evalute


@pytest.mark.parametrize("first", ["names", "modules"])
def test_functions_stay_functions_beside_the_modules_that_hold_them(first):
    def modules():
        for name in ("evaluation", "training", "training.loop", "town", "examples", "report", "data"):
            importlib.import_module(f"oddscape.{name}")

    if first == "modules":
        modules()
    assert callable(odd.evaluate)
    assert callable(odd.train)
    modules()
    assert callable(odd.evaluate)
    assert callable(odd.train)
    assert odd.evaluate is odd.evaluation.evaluate


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--help"],
        ["protocols"],
        ["evaluate", "--help"],
        ["predict", "--help"],
        ["train", "closed-set", "--help"],
    ],
    ids=" ".join,
)
def test_the_package_and_its_help_do_without_torch(arguments):
    code = f"""if True:
        import sys
        import oddscape
        if {arguments}:
            from oddscape.cli import main
            main({arguments})
        sys.exit("torch" in sys.modules)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert bool(done.stdout) == bool(arguments)
