"""``python -m magicrune``."""

from __future__ import annotations

from magicrune.cli import run

if __name__ == "__main__":
    run()
