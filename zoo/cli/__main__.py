"""`python -m zoo.cli` is the same as `zoo`."""

from __future__ import annotations

import sys

from zoo.cli.app import main

sys.exit(main())
