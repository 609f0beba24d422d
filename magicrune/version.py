"""The version, read from the installed distribution: one source, pyproject.toml."""

from __future__ import annotations


def version() -> str:
    """Such as ``0.1.0``; ``unknown`` where only the bare files are there."""
    from importlib import metadata

    try:
        return metadata.version("magicrune")
    except metadata.PackageNotFoundError:
        return "unknown"
