from __future__ import annotations

import re
from pathlib import Path

from magicrune.backends.wasi import programs

SOURCES = Path(__file__).parents[2] / "images" / "shell" / "src"
BUILTINS = {"[", "echo", "kill", "printf", "pwd", "test"}


def test_the_image_has_the_tools_that_the_shell_has() -> None:
    tables = "".join(path.read_text() for path in sorted(SOURCES.glob("tools_*.def")))
    assert set(programs._TOOLS) == set(re.findall(r'TOOL\("([^"]+)"', tables)) | BUILTINS
