"""Sphinx: how the site of the docs is built from the pages that ``scripts/site`` stages."""

from __future__ import annotations

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
for folder in (HERE, HERE / "extensions"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

import fanin  # noqa: E402

project = "fanin"
author = "the authors of fanin"
project_copyright = author
version = release = fanin.__version__
html_title = f"fanin {fanin.__version__}"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "mathml",
    "plain_docstrings",
    "public_names",
    "furo_for_all",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["front.md"]

myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 4
myst_links_external_new_tab = False

autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
napoleon_use_rtype = False
napoleon_preprocess_types = False
python_use_unqualified_type_names = True
maximum_signature_line_length = 88
add_module_names = False
toc_object_entries_show_parents = "hide"

# Names of others have no page here; ours have.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!fanin\.).*")]

html_theme = "furo"
html_math_renderer = "mathml"
_STYLES = Path(fanin.__file__).parent / "report" / "templates"
html_static_path = ["assets", str(_STYLES / "guide.css")]
html_css_files = ["site.css", "guide.css"]
templates_path = ["templates"]
html_copy_source = False
html_show_sourcelink = False
html_use_index = False
html_domain_indices = False
# From a file there is nothing to fetch a summary from.
html_show_search_summary = False
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"

linkcheck_timeout = 20
linkcheck_retries = 2


def _palettes() -> tuple[dict[str, str], dict[str, str]]:
    """Of the pages of reports, light and dark: both kinds of page look of one family."""
    style = _STYLES / "style.css"
    blocks = re.findall(r":root \{(.*?)\}", style.read_text(encoding="utf-8"), re.DOTALL)
    light, dark = (dict(re.findall(r"--([\w-]+): ([^;]+);", block)) for block in blocks)
    return light, light | dark


def _furo(palette: dict[str, str]) -> dict[str, str]:
    colours = {
        "background-primary": "paper", "background-secondary": "mark", "background-hover": "mark",
        "background-border": "faint", "foreground-primary": "ink", "foreground-secondary": "soft",
        "foreground-muted": "soft", "foreground-border": "faint", "brand-primary": "link",
        "brand-content": "link", "brand-visited": "link", "link": "link", "link--hover": "link",
        "link--visited": "link", "link--visited--hover": "link", "inline-code-background": "mark",
        "code-background": "mark", "api-background": "mark", "api-background-hover": "mark",
        "api-pre-name": "soft", "api-name": "link", "api-paren": "soft", "api-keyword": "soft",
        "highlight-on-target": "mark", "sidebar-link-text--top-level": "ink",
        "sidebar-link-text": "ink", "sidebar-search-text": "ink",
        "sidebar-item-expander-background--hover": "mark", "toc-item-text": "soft",
        "card-background": "mark", "card-border": "faint", "table-border": "faint",
        "table-header-background": "mark",
    }  # fmt: skip
    fonts = {
        "font-stack": "system-ui, sans-serif",
        "font-stack--monospace": "ui-monospace, monospace",
    }
    return palette | fonts | {f"color-{name}": palette[ours] for name, ours in colours.items()}


_light, _dark = _palettes()
html_theme_options = {
    "light_css_variables": _furo(_light),
    "dark_css_variables": _furo(_dark),
    "top_of_page_buttons": [],
}
