"""The smallest networks of many blocks with fewer of them: each further one is the same again."""

from __future__ import annotations

import pytest
from zoo_speech.models import conformer
from zoo_translation.models import transformer
from zoo_vision.models import compact


def use_few_blocks(patched: pytest.MonkeyPatch, blocks: int) -> None:
    """Let the smallest of some networks have so many, until the patch is undone.

    They are the conformer, the transformer, and the compact detector, which has them on the
    first of its levels and keeps a convolution on each.
    """
    sizes = conformer._SIZES
    patched.setitem(sizes, "tiny", sizes["tiny"]._replace(blocks=blocks))
    sizes = transformer._SIZES
    patched.setitem(sizes, "tiny", sizes["tiny"]._replace(layers=blocks))
    sizes = compact._SIZES
    patched.setitem(sizes, "nano", compact._Size((8, 8, 16, 16, 16), (blocks, 0, 0, 0), 16))
