"""How Sphinx makes the site: `make docs` writes it to site/."""

from __future__ import annotations

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

import zoo

project = "keras-domain-zoo"
author = "the keras-domain-zoo authors"
release = zoo.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

# A heading can be linked to as on a repository page: page.md#its-words.
myst_heading_anchors = 3

# The reference comes from the docstrings of the public names.
autodoc_member_order = "bysource"
autodoc_mock_imports = ["keras", "tensorflow"]  # importing them takes seconds
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
napoleon_custom_sections = [("Class attributes", "Attributes")]
default_role = "literal"

# Every link within the site has to lead somewhere, but for types of other libraries.
nitpicky = True
nitpick_ignore_regex = [("py:class", ".*")]

# No font, script or picture comes from another host.
html_theme = "furo"
html_title = project
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False


def _public_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.reference | None:
    """Link `zoo.components.Task`, and a bare `Task`, to `zoo.Task`, where it is documented."""
    name = node.get("reftarget", "").rpartition(".")[2]
    if node.get("refdomain") != "py" or name not in zoo.__all__:
        return None
    python = env.get_domain("py")
    page = node["refdoc"]
    found = python.resolve_any_xref(env, page, app.builder, f"zoo.{name}", node, content)
    return found[0][1] if found else None


def setup(app: Sphinx) -> None:
    """Add what Sphinx has no setting for."""
    app.connect("missing-reference", _public_name)
