"""Wrappers: a network shown a picture in several ways, as one network that gives a ``DenseOutput`` again."""
