"""``python -m oddscape``."""

from oddscape.cli import main

main()
