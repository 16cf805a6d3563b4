import math

from oddscape.report.svg import Frame, element


def test_corners_of_the_frame_are_the_ends_of_the_axes():
    frame = Frame(200, 100, (20, 10, 30, 40), x=(-1.0, 1.0), y=(0.0, 4.0))
    assert frame.at((-1, 0)) == (20, 60)
    assert frame.at((1, 4)) == (170, 10)
    assert frame.at((0, 1)) == (95, 47.5)


def test_square_root_scale():
    frame = Frame(100, 100, (0, 0, 0, 0), y=(0.0, 4.0), y_scale=math.sqrt)
    assert frame.at((0, 1)) == (0, 50)


def test_elements_are_escaped():
    assert element("text", "<b>", class_='"x') == '<text class="&#34;x">&lt;b&gt;</text>'
