"""The shipped rune-init: the bytes that were built, static, for both machines, as documented."""

from __future__ import annotations

import hashlib
import re
import struct
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parents[2] / "images" / "rune-init"
MACHINES = {"x86_64": 62, "aarch64": 183}  # e_machine of elf(5)
PT_DYNAMIC, PT_INTERP, PT_GNU_STACK = 2, 3, 0x6474E551


def binary(arch: str) -> bytes:
    return (HERE / f"rune-init.{arch}").read_bytes()


def segments(image: bytes) -> list[tuple[int, int]]:
    """(type, flags) of every program header."""
    offset = struct.unpack_from("<Q", image, 32)[0]
    size, count = struct.unpack_from("<HH", image, 54)
    return [struct.unpack_from("<II", image, offset + i * size) for i in range(count)]


def source(name: str) -> str:
    return (HERE / "src" / name).read_text()


def protocol() -> str:
    return (HERE / "PROTOCOL.md").read_text()


@pytest.mark.parametrize("arch", MACHINES)
def test_binary_is_the_one_summed(arch: str) -> None:
    sums = dict(reversed(line.split()) for line in (HERE / "SHA256SUMS").read_text().splitlines())
    assert sums[f"rune-init.{arch}"] == hashlib.sha256(binary(arch)).hexdigest()


@pytest.mark.parametrize("arch", MACHINES)
def test_binary_is_static_and_for_its_machine(arch: str) -> None:
    image = binary(arch)
    assert image[:6] == b"\x7fELF\x02\x01"
    assert struct.unpack_from("<H", image, 18)[0] == MACHINES[arch]
    kinds = dict(segments(image))
    assert PT_INTERP not in kinds
    assert PT_DYNAMIC not in kinds
    assert kinds[PT_GNU_STACK] & 1 == 0  # its stack is not executable
    assert (HERE / f"rune-init.{arch}").stat().st_mode & 0o111


@pytest.mark.parametrize("arch", MACHINES)
def test_binary_names_no_path_of_the_builder(arch: str) -> None:
    assert not re.search(rb"/(home|work|root|build|private|Users)/[a-z]+/", binary(arch))
    assert b"RUNE_SOCK" in binary(arch)  # the search above looks at the text of the program


def test_every_error_code_is_documented_and_no_other() -> None:
    used = {
        code
        for path in (HERE / "src").glob("*.c")
        for code in re.findall(r'"(E_[A-Z]+)"', path.read_text())
    }
    documented = set(re.findall(r"^\| `(E_[A-Z]+)` \|", protocol(), re.MULTILINE))
    assert used == documented


def test_every_kind_of_event_is_documented_with_its_cap() -> None:
    text = source("events.c")
    names = re.findall(r'"(\w+)"', re.search(r"event_names.*?\{(.*?)\}", text, re.DOTALL)[1])
    caps = re.search(r"caps\[EVENT_KINDS\] = \{(.*?)\}", text)[1].split(", ")
    table = protocol().split("## Events")[1].split("\n## ")[0]
    documented = re.findall(r"^\| `(\w+)` \| (\d+) \| ", table, re.MULTILINE)
    assert dict(documented) == dict(zip(names, caps, strict=True))


def test_every_key_of_the_job_record_is_documented() -> None:
    text = source("job.c")
    numbers = set(re.findall(r"NUMBER\((\w+), \d", text))
    keys = numbers | set(re.findall(r'strcmp\(key, "(\w+)"', text))
    table = protocol().split("## Job record")[1].split("\n## ")[0]
    documented = {
        key
        for line in table.splitlines()
        if line.startswith("| `")
        for key in re.findall(r"`(\w+)`", line.split("|")[1])
    }
    assert keys == documented


def test_limits_of_frames_are_the_documented_ones() -> None:
    text = source("frame.h")
    values = {name: 1 << int(bits) for name, bits in re.findall(r"(FRAME_\w+) = 1 << (\d+)", text)}
    wanted = {"FRAME_IN_MAX": 1 << 20, "FRAME_OUT_MAX": 1 << 16, "FRAME_CONTROLS_MAX": 1 << 18}
    assert values == wanted
    for value in wanted.values():
        assert f"{value:,}".replace(",", " ") in protocol()
