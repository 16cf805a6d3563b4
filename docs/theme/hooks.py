"""Hooks of mkdocs: links that hold in the repository lead to the same text in the site."""

from __future__ import annotations

import re
from typing import Any

_ROLE = re.compile(r":(?:class|func|meth|mod|data|attr):<code>~?([\w.]+)</code>")
_PAGES = {
    "../CONTRIBUTING.md": "contributing.md",
    "../CHANGELOG.md": "changes.md",
    "../src/oddscape/weights/shipped/street-lite.md": "street-lite.md",
}
"""Files outside of docs/ → the pages that include them."""


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Let links to files outside of docs/ lead to the pages that include them."""
    for file, page in _PAGES.items():
        markdown = markdown.replace(f"]({file})", f"]({page})")
    return markdown


def on_page_content(html: str, **_: Any) -> str:
    """Make links of roles in docstrings, such as :class:`~oddscape.scenes.Scene`, where their target is."""
    return _ROLE.sub(_link, html)


def _link(role: re.Match[str]) -> str:
    path = role[1]
    return f'<autoref optional identifier="{path}"><code>{path.rpartition(".")[2]}</code></autoref>'
