"""rune-init with something taken out of its source, to show that an attack's test would see it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from magicrune.backends.oci import engine
from magicrune.backends.rune import socket_dir
from magicrune.backends.rune.container import SHARED_TEXTS
from tests.engines import absent

SOURCE = Path(__file__).parents[2] / "images" / "rune-init" / "src"
_FLAGS = ("-std=gnu11", "-O1", "-D_GNU_SOURCE")
Cut = tuple[str, str, str]
"""A file of the source, a text that is in it, and what stands there instead."""


class Workshop:
    """Builds such inits; the files that nothing was taken out of are compiled once."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._made = 0

    def use(self, monkeypatch: pytest.MonkeyPatch, *cuts: Cut) -> None:
        """Every engine starts this init until the test ends."""
        init = self.build(*cuts)
        for module in (engine, socket_dir):
            monkeypatch.setattr(module, "init_path", lambda: init)

    def build(self, *cuts: Cut) -> Path:
        """The program, alone with SHARED_TEXTS in its directory."""
        self._made += 1
        source = self._place / f"source-{self._made}"
        shutil.copytree(SOURCE, source)
        for name, text, instead in cuts:
            whole = (source / name).read_text()
            assert text in whole, f"{name} does not say {text!r} any more"
            (source / name).write_text(whole.replace(text, instead))
        objects = [str(each) for each in self._objects() if each.stem not in _stems(cuts)]
        changed = [str(source / name) for name in sorted({name for name, _, _ in cuts})]
        home = self._place / f"init-{self._made}"
        home.mkdir()
        _compile(["-static", "-o", str(home / "init"), *changed, *objects], source)
        for name, text in SHARED_TEXTS.items():
            (home / name).write_text(text)
        for each in (self._place, home, home / "init"):
            each.chmod(0o755)
        return home / "init"

    def _objects(self) -> list[Path]:
        place = self._place / "objects"
        if not place.exists():
            place.mkdir()
            _compile(["-c", *(str(each) for each in sorted(SOURCE.glob("*.c")))], place)
        return sorted(place.glob("*.o"))


def _stems(cuts: tuple[Cut, ...]) -> set[str]:
    return {Path(name).stem for name, _, _ in cuts}


def _compile(words: list[str], where: Path) -> None:
    if shutil.which("cc") is None:
        absent("no C compiler")
    subprocess.run(["cc", *_FLAGS, *words], cwd=where, check=True, capture_output=True)
