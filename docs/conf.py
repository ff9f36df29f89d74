"""How Sphinx builds the documentation: `make docs`, and `make docs-notebooks`."""

import configparser
import importlib.util
import os
import re
import sys
from pathlib import Path

from docutils import nodes
from sphinx.util.nodes import make_refnode

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

import irsde_jax  # noqa: E402
from docs import generators  # noqa: E402
from docs.generators import api, docstrings  # noqa: E402

_metadata = configparser.ConfigParser()
_metadata.read(DOCS.parent / "setup.cfg", "utf-8")
_url = _metadata["metadata"]["url"]

project = "irsde_jax"
author = "The irsde_jax developers"
copyright = author
version = release = irsde_jax.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]
if importlib.util.find_spec("sphinx-mathjax-offline"):
    extensions.append("sphinx-mathjax-offline")  # formulas without a network
nitpicky = True

# Text.
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath", "deflist"]
myst_heading_anchors = 3
# [`losses.py`](source:irsde_jax/losses.py) is a link to the file in the repository.
myst_url_schemes = {
    "http": None,
    "https": None,
    "source": f"{_url}/blob/main/{{{{path}}}}",
}

# Notebooks take minutes: `make docs-notebooks` executes them.
nb_execution_mode = os.environ.get("IRSDE_JAX_DOCS_NOTEBOOKS", "off")
nb_execution_in_temp = True
nb_execution_timeout = 1800
nb_execution_raise_on_error = True
nb_merge_streams = True

# Docstrings.
autosummary_generate = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True

# Appearance.
html_theme = "sphinx_book_theme"
html_title = "irsde_jax"
html_theme_options = {
    "repository_url": _url,
    "repository_branch": "main",
    "path_to_docs": "docs",
    "use_repository_button": True,
    "use_issues_button": True,
    "show_toc_level": 2,
    "navbar_persistent": [],  # the search field is in the sidebar
}
html_static_path = ["_static"]
html_css_files = ["irsde_jax.css"]
html_copy_source = False
copybutton_exclude = ".linenos, .gp, .go"


def _process_docstring(app, what, name, obj, options, lines) -> None:
    """Turns a docstring into reST, before napoleon reads its sections."""
    homes = api.public_homes()

    def link(text: str) -> str | None:
        home = homes.get(text.rpartition(".")[2])
        known = home is not None and text.replace("irsde_jax.", "").count(".") < 3
        return home if known and text.isascii() else None

    lines[:] = docstrings.to_rest(lines, link)


def _shorten_defaults(app, what, name, obj, options, signature, returns):
    """Writes `...` for defaults, such as functions, that have no short form in code."""
    if signature and "<" in signature:
        return re.sub(r"=\s*<[^>]*>", "=...", signature), returns
    return None


def _skip_member(app, what, name, obj, skip, options) -> bool | None:
    """Leaves out fields of named tuples, which the docstring of the class explains."""
    is_field = (getattr(obj, "__doc__", None) or "").startswith("Alias for field")
    return True if is_field else None


def _resolve(app, env, node, contnode) -> nodes.Node | None:
    """Finds a public object by its last name, wherever it is defined.

    Type hints name the module that defines an object and not the package that exports
    it. What they name outside this package, or what is not public, stays plain text in
    the reference; on all other pages it is an error.
    """
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"]
    home = api.public_homes().get(target.rpartition(".")[2])
    objects = env.get_domain("py").objects
    if home in objects:
        entry = objects[home]
        return make_refnode(
            app.builder, node["refdoc"], entry.docname, entry.node_id, contnode
        )
    return contnode if node["refdoc"].startswith("reference/") else None


def setup(app) -> None:
    """Connects the functions of this file, and writes the generated pages."""
    generators.write_pages()
    app.connect("autodoc-process-docstring", _process_docstring, priority=400)
    app.connect("autodoc-process-signature", _shorten_defaults)
    app.connect("autodoc-skip-member", _skip_member)
    app.connect("missing-reference", _resolve)
