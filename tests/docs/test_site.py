"""The site is made without a warning, is whole, and needs no other host."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from documents import ROOT

import zoo

DOCS = ROOT / "docs"
LOADED = re.compile(r'<(?:script|img|iframe)[^>]+src="([^"]+)"|<link[^>]+href="([^"]+)"')
"""What a page makes the browser fetch, other than what a reader follows."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, made as `make docs` makes it: links within it that lead nowhere are errors."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going"]
    command += ["--doctree-dir", str(folder / "doctrees"), str(DOCS), str(folder / "html")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "html"


def test_each_page_loads_only_what_is_in_the_site(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 10
    for page in pages:
        for found in LOADED.finditer(page.read_text()):
            address = found[1] or found[2]
            assert "://" not in address, f"{page.name} loads {address}"
    for style in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?https?:", style.read_text()), style


def test_first_page_is_the_readme_and_its_links_are_pages_of_the_site(site: Path) -> None:
    text = (site / "index.html").read_text()
    assert "A model zoo by application domain" in text
    assert 'href="get-started.html"' in text
    assert "docs/" not in "".join(re.findall(r'href="([^"]+)"', text))


def test_every_public_name_is_in_the_reference() -> None:
    pages = "".join(page.read_text() for page in (DOCS / "api").glob("*.rst"))
    documented = set(re.findall(r"^\.\. (?:auto|py:)\w+:: zoo\.(\w+)$", pages, re.MULTILINE))
    # The charts have a page of their own as a module; the version is no object.
    public = set(zoo.__all__) - {"__version__", "charts"}
    assert public - documented == set(), "add them to a page in docs/api"
    assert documented - public <= {"hookspecs"}, "not public any more"
