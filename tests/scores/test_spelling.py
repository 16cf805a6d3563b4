"""How scores are written: names, parameters and post-processing."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oddscape.errors import OddscapeError
from oddscape.outputs import DenseOutput, NativeMaps
from oddscape.scores import POSTPROCESSING, SCORES, read_score
from oddscape.scores.postprocessing import smooth, suppress_boundaries

OUT = DenseOutput(
    NativeMaps(3 * torch.randn(1, 4, 6, 7, generator=torch.Generator().manual_seed(0))), (12, 14)
)


def test_a_name_alone_is_the_score_itself():
    assert read_score("energy", SCORES) is SCORES["energy"]


@pytest.mark.parametrize(
    ("text", "base", "parameters"),
    [
        ("energy@temperature=2", "energy", {"temperature": 2}),
        ("msp@temperature=0.5", "msp", {"temperature": 0.5}),
        ("gen@gamma=0.2,classes=3", "gen", {"gamma": 0.2, "classes": 3}),
    ],
)
def test_parameters(text, base, parameters):
    score = read_score(text, SCORES)
    assert score.name == SCORES[base].with_(**parameters).name == text
    assert torch.equal(score(OUT), SCORES[base].function(OUT, **parameters))
    assert score.formula.startswith(SCORES[base].formula)
    assert text.partition("@")[2] in score.formula


def test_parameters_are_fixed_one_after_the_other_but_once():
    score = SCORES["gen"].with_(gamma=0.2).with_(classes=3)
    assert score.name == "gen@gamma=0.2,classes=3"
    assert torch.equal(score(OUT), read_score("gen@gamma=0.2,classes=3", SCORES)(OUT))
    with pytest.raises(OddscapeError, match="has no parameter 'gamma'; it has: temperature"):
        score.with_(gamma=0.3)
    assert SCORES["gen"].with_() is SCORES["gen"]


@given(value=st.floats(0, exclude_min=True, allow_infinity=False), whole=st.integers(1, 2**53))
def test_what_is_written_is_read_again_to_the_last_digit(value, whole):
    given_in_python = SCORES["gen"].with_(temperature=value, classes=whole)
    score = given_in_python.then(POSTPROCESSING["smoothing"])
    assert read_score(score.name, SCORES).function.keywords == {"temperature": value, "classes": whole}


def test_parameters_may_be_fixed_after_a_step_was_added():
    score = SCORES["energy"].then(POSTPROCESSING["smoothing"]).with_(temperature=2)
    assert score.name == "energy@temperature=2+smoothing"
    assert score.formula == read_score(score.name, SCORES).formula
    assert score.without_steps().name == "energy@temperature=2"
    assert score.without_steps().formula == SCORES["energy"].with_(temperature=2).formula
    assert torch.equal(score(OUT), read_score(score.name, SCORES)(OUT))


def test_steps_follow_in_the_order_in_which_they_are_written():
    score = read_score("max_logit+boundaries@width=4+smoothing@sigma=2,dilation=1", SCORES)
    assert score.name == "max_logit+boundaries@width=4+smoothing@sigma=2,dilation=1"
    classes = OUT.logits.argmax(1).to(torch.uint8)
    wanted = smooth(suppress_boundaries(SCORES["max_logit"](OUT), classes, 4), sigma=2, dilation=1)
    assert torch.equal(score(OUT), wanted)
    assert [step.name for step in score.steps] == ["boundaries@width=4", "smoothing@sigma=2,dilation=1"]
    assert "Gaussian" in score.formula
    assert SCORES["max_logit"].then(POSTPROCESSING["smoothing"]).name == "max_logit+smoothing"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("enrgy", "unknown score 'enrgy'; known: msp, max_logit"),
        ("", "unknown score ''; known: msp"),
        ("enrgy@temperature=2", "unknown score 'enrgy'"),
        ("energy@temp=2", "'energy' has no parameter 'temp'; it has: temperature"),
        ("max_logit@temperature=2", "'max_logit' has no parameter 'temperature'; it has: none"),
        ("energy@temperature=0", "'energy': temperature 0: expected a number above 0"),
        ("energy@temperature=inf", "temperature inf: expected a number above 0"),
        ("energy@temperature=nan", "temperature nan: expected a number above 0"),
        ("gen@classes=2.5", "'gen': classes 2.5: expected a whole number above 0"),
        ("energy@", "expected parameter=number"),
        ("energy@temperature", "expected parameter=number"),
        ("energy@temperature=warm", "'temperature=warm' after 'energy@': expected parameter=number"),
        ("energy+smoth", "unknown post-processing 'smoth'; known: boundaries, smoothing"),
        ("energy+smoothing@width=3", "'smoothing' has no parameter 'width'; it has: kernel_size, sigma"),
        ("energy+boundaries@width=3", "width 3 is odd; expected an even number"),
        ("energy+smoothing@kernel_size=4", "kernel_size 4 is even; expected an odd number"),
    ],
)
def test_mistakes_are_named(text, message):
    with pytest.raises(OddscapeError, match=message):
        read_score(text, SCORES)(OUT)
