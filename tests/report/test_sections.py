from dataclasses import replace

from oddscape.protocols import PROTOCOLS
from oddscape.report.sections import sections


def test_networks_under_one_protocol_share_a_section(closed_set, densehybrid):
    (section,) = sections([closed_set, densehybrid])
    assert [row.name for row in section.rows] == [
        "closed-set · msp",
        "closed-set · energy",
        "DenseHybrid · densehybrid",
    ]
    assert [row.index for row in section.rows] == [0, 1, 2]


def test_what_changes_a_figure_parts_results(closed_set, overridden):
    others = [
        overridden,
        replace(closed_set, protocol=PROTOCOLS["streethazards"]),
        replace(closed_set, pictures=["a", "b", "c"]),
        replace(closed_set, known_pixels=1),
        replace(closed_set, anomalous_pixels=1),
        replace(closed_set, fingerprint="other data"),
    ]
    assert len(sections([closed_set, *others])) == 1 + len(others)


def test_inference_size_and_weights_do_not_part_results(closed_set):
    other = replace(closed_set, inference_size=None, weights="else.pth")
    (section,) = sections([closed_set, other])
    assert section.models == ["closed-set (closed-set.safetensors)", "closed-set (else.pth)"]
