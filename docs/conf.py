"""How Sphinx makes a site of these pages: `make site`.

The pages are read as GitHub reads them (MyST), so that they need no second spelling. Where each
stands in the site is told here alone: NAVIGATION is what a reader of each kind is shown, and a test
holds that no page is missing.
"""

from typing import TypeAlias

from sphinx.application import Sphinx

Section: TypeAlias = tuple[str, list[str]]

project = "Click to Dial"
author = "the Click to Dial contributors"
project_copyright = author
language = "en"
extensions = ["myst_parser"]
exclude_patterns = ["images"]
source_suffix = {".md": "markdown"}

# The anchors of headings, as GitHub makes them; links to them are checked.
myst_heading_anchors = 4
# Blocks are known by what they are run as.
highlight_language = "none"
pygments_style = "friendly"

html_theme = "furo"
html_title = "Click to Dial"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}
html_static_path = ["_static"]
html_css_files = ["site.css"]
# Nobody else is asked for anything: no fonts, scripts or pictures of others.


NAVIGATION: list[Section] = [
    (
        "Developers of applications",
        [
            "tutorial",
            "api-v1",
            "camara",
            "oauth",
            "events",
            "idempotency",
            "messages",
            "sandbox",
            "sdk",
            "reference/event-and-token-operations",
            "reference/errors",
        ],
    ),
    (
        "Operators",
        [
            "howto/reverse-proxy",
            "howto/tls",
            "postgresql",
            "howto/backup",
            "howto/upgrade",
            "settings",
            "cli",
            "management-api",
            "reference/management-operations",
            "reference/limits",
            "billing",
            "desk",
            "support",
            "console-tour",
            "privacy",
            "metrics",
        ],
    ),
    (
        "Carrier engineers",
        [
            "howto/own-trunk",
            "howto/asterisk",
            "howto/ims",
            "trunks",
            "sip",
            "stir",
            "media",
        ],
    ),
]
# Contributors get the decisions, whatever there are, and how it is measured.
_CONTRIBUTORS = ("Contributors", ["benchmark", "console"])
_DECISIONS = "decisions/*"


def _render_toctree(section: Section, *, has_decisions: bool) -> str:
    title, pages = section
    lines = ["```{toctree}", ":hidden:", f":caption: {title}"]
    lines += [":glob:"] if has_decisions else []
    return "\n".join([*lines, "", *pages, *([_DECISIONS] if has_decisions else []), "```", ""])


def _add_navigation(app: Sphinx, docname: str, source: list[str]) -> None:
    """The index is read on GitHub too, where a toctree would be shown as it stands."""
    if docname == "index":
        trees = [_render_toctree(section, has_decisions=False) for section in NAVIGATION]
        trees.append(_render_toctree(_CONTRIBUTORS, has_decisions=True))
        source[0] += "\n" + "\n".join(trees)


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _add_navigation)
