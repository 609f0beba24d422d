"""Writes schemas/*.schema.json from the models; with --check only says whether they differ.

Usage: python scripts/schemas.py [--check]
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

MODELS = {
    "request": ("magicrune.request", "SpellRequest"),
    "policy": ("magicrune.policy", "Policy"),
    "result": ("magicrune.result", "SpellResult"),
}
SCHEMAS = Path(__file__).resolve().parent.parent / "schemas"


def make_schema(name: str) -> str:
    """The JSON Schema (2020-12) of a model, as the file holds it."""
    module, model = MODELS[name]
    schema = getattr(importlib.import_module(module), model).model_json_schema()
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """0: written, or equal; 1: a file differs (with --check)."""
    differing = 0
    for name in MODELS:
        path = SCHEMAS / f"{name}.schema.json"
        text = make_schema(name)
        if path.exists() and path.read_text() == text:
            continue
        if arguments == ["--check"]:
            print(f"{path.name} is not what the models say: run python scripts/schemas.py")
            differing = 1
        else:
            path.write_text(text)
            print(f"wrote {path.name}")
    return differing


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
