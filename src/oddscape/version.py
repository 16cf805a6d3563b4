"""The version of Oddscape."""

__version__ = "0.1.0"
