"""Pages from templates: what all environments of jinja2 here have in common."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined


def page_environment(package: str, folder: str) -> Environment:
    """An environment for the templates in a package's folder: it escapes, and refuses unknown names."""
    return Environment(
        loader=PackageLoader(package, folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
