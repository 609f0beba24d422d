"""``python -m magicrune``."""

from __future__ import annotations

import sys

from magicrune.cli import main

if __name__ == "__main__":
    sys.exit(main())
