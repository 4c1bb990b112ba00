"""The smallest networks of many blocks with fewer of them: each further one is the same again."""

from __future__ import annotations

import pytest
from zoo_speech.models import conformer
from zoo_translation.models import transformer


def use_few_blocks(patched: pytest.MonkeyPatch, blocks: int) -> None:
    """Let the tiny conformer and the tiny transformer have so many, until the patch is undone."""
    sizes = conformer._SIZES
    patched.setitem(sizes, "tiny", sizes["tiny"]._replace(blocks=blocks))
    sizes = transformer._SIZES
    patched.setitem(sizes, "tiny", sizes["tiny"]._replace(layers=blocks))
