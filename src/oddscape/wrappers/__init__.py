"""Wrappers: a network shown a picture in several ways, as one network that gives a ``DenseOutput`` again.

A wrapper keeps the network it is around as ``net``, and says what it does in a few words as ``in_words``; an
ensemble keeps its networks as ``nets``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def unwrapped(net: nn.Module) -> tuple[nn.Module, list[str]]:
    """The network below all wrappers, and what each of them says, the outermost first.

    An ensemble counts as the network; it says itself what is around its members.
    """
    said: list[str] = []
    while hasattr(net, "in_words"):
        said.append(str(net.in_words))
        if not hasattr(net, "net"):
            break
        net = net.get_submodule("net")
    return net, said
