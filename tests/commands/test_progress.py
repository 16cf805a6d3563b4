"""The bar of long work."""

import pytest

from oddscape.commands.progress import progress_bar


@pytest.mark.parametrize("terminal", [True, False])
def test_the_bar_is_for_terminals_alone(capsys, monkeypatch, terminal):
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TTY_COMPATIBLE", str(int(terminal)))
    with progress_bar("predicting") as advance:
        advance(3, 4)
    out, err = capsys.readouterr()
    assert out == ""
    assert ("predicting" in err and "3/4" in err) if terminal else err == ""
