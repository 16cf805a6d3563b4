"""What wrappers leave out of the maps that the network in them gives."""

from __future__ import annotations

from torch import nn

from oddscape.models.probing import probe


def left_out(net: nn.Module) -> dict[str, str]:
    """Maps that the network in some wrappers gives and they do not: by name, what the wrapper does to it.

    Args:
        net: a network, in wrappers or not; none of its maps are left out where it is in none.
    """
    if not hasattr(net, "in_words"):
        return {}
    inside = [net.get_submodule("net")] if hasattr(net, "net") else list(net.get_submodule("nets").children())
    given = probe(net).fields
    lost: dict[str, str] = {}
    for inner in inside:
        lost |= dict.fromkeys(sorted(probe(inner).fields - given), str(net.in_words)) | left_out(inner)
    return lost
