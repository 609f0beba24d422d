"""Writes the samples that carry a file from samples/src (``--check``: compares instead).

A request holds its files as base64; a reader of the repository wants their source. The
WebAssembly one is made from its text form, so anybody can rebuild the same bytes.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

SAMPLES = Path(__file__).resolve().parent.parent / "samples"


def requests() -> dict[str, dict[str, object]]:
    """The generated samples by name."""
    import wasmtime

    shout = bytes(wasmtime.wat2wasm((SAMPLES / "src/shout.wat").read_text()))
    mean = (SAMPLES / "src/mean.py").read_bytes()
    return {
        "wasm_program": {
            "cmd": "/workspace/shout.wasm && ! /workspace/shout.wasm < /dev/null",
            "stdin": "hello from a module\n",
            "files": [_file("/workspace/shout.wasm", shout)],
        },
        "python": {
            "cmd": "python3 /workspace/mean.py 3 5 10",
            "files": [_file("/workspace/mean.py", mean)],
        },
    }


def _file(path: str, content: bytes) -> dict[str, str]:
    return {"path": path, "content_b64": base64.b64encode(content).decode()}


def main() -> int:
    """0, or 1 where ``--check`` finds a sample that differs from its source."""
    stale = []
    for name, request in requests().items():
        path = SAMPLES / f"{name}.json"
        text = json.dumps(request, indent=2) + "\n"
        if "--check" not in sys.argv[1:]:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(str(path))
    if stale:
        print("not made from samples/src (run scripts/samples.py):", *stale, file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
