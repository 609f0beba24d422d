"""magicrune.strictjson: the same answer as the standard parser, or a clear refusal."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magicrune.errors import JsonInvalid, RequestInvalid
from magicrune.strictjson import MAX_VALUES, loads, read_limited

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES, st.booleans(), st.sampled_from([None, 2]))
def test_reads_what_the_standard_library_writes(value, ascii_only, indent):
    data = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    assert loads(data) == value


@given(st.binary(max_size=60))
@settings(max_examples=300)
def test_any_bytes_give_a_value_or_our_error(data):
    try:
        value = loads(data)
    except JsonInvalid:
        return
    assert json.loads(data) == value


@given(st.text(alphabet='{}[]",:\\ue0123456789.-+tfnrlas\n ', max_size=30))
@settings(max_examples=500)
def test_json_like_text_is_read_as_by_the_standard_library_or_refused(text):
    try:
        value = loads(text.encode())
    except JsonInvalid:
        return
    assert json.loads(text) == value


@pytest.mark.parametrize(
    ("data", "where", "words"),
    [
        (b"", "json:1:1", "empty"),
        (b" \n ", "json:2:2", "empty"),
        (b"\xef\xbb\xbf{}", "json:1:1", "byte order mark"),
        (b"\xff\xfe{\0}\0", "json:1:1", "byte order mark"),
        (b'{"a":1,\n "a":2}', "json:2:2", "given twice"),
        (b'{"a":1,"\\u0061":2}', "json:1:8", "given twice"),
        (b"[NaN]", "json:1:2", "NaN is not JSON"),
        (b"[-Infinity]", "json:1:2", "-Infinity is not JSON"),
        (b"[1e999]", "json:1:2", "too large"),
        (b"[" + b"9" * 25 + b"]", "json:1:2", "24 characters"),
        (b"[01]", "json:1:3", 'expected ","'),
        (b'["\xc3\x28"]', "json:1:3", "not valid UTF-8"),
        (b'["\xed\xa0\x80"]', "json:1:3", "not valid UTF-8"),
        (b'["\\ud800"]', "json:1:2", "surrogate"),
        (b'["\\udc00\\ud800"]', "json:1:2", "surrogate"),
        (b'["a\nb"]', "json:1:4", "control character"),
        (b'["\\x"]', "json:1:3", "bad escape"),
        (b'["\\u12"]', "json:1:3", "bad escape"),
        (b'["abc', "json:1:2", "not closed"),
        (b'{"a":1,}', "json:1:8", "expected a key"),
        (b"[1,]", "json:1:4", "expected a value"),
        (b"[1] 2", "json:1:5", "more after the end"),
        (b"{'a':1}", "json:1:2", "expected a key"),
        (b"[1", "json:1:3", 'expected ","'),
        (b"[", "json:1:2", "ends in the middle"),
        ('["é", x]'.encode(), "json:1:7", "x is not JSON"),
        ("[é]".encode(), "json:1:2", "outside ASCII"),
    ],
)
def test_refusals_name_the_place_and_the_reason(data, where, words):
    with pytest.raises(JsonInvalid) as caught:
        loads(data)
    assert (caught.value.where, words in caught.value.message) == (where, True), caught.value


def test_surrogate_pairs_are_one_character():
    assert loads(b'"\\ud83d\\ude00"') == "\U0001f600"


def test_depth_is_counted_exactly():
    assert loads(b"[" * 64 + b"]" * 64)
    with pytest.raises(JsonInvalid, match="deeper than 64"):
        loads(b"[" * 65 + b"]" * 65)


def test_number_of_values_is_counted_exactly():
    def made(count: int) -> bytes:
        return b"[" + b",".join([b"0"] * count) + b"]"

    assert len(loads(made(MAX_VALUES - 1))) == MAX_VALUES - 1
    with pytest.raises(JsonInvalid, match="values"):
        loads(made(MAX_VALUES))


def test_bytes_are_counted_exactly():
    assert loads(b'"123456"', max_bytes=8) == "123456"
    with pytest.raises(JsonInvalid, match="larger than 7 bytes"):
        loads(b'"123456"', max_bytes=7)


class Endless(io.RawIOBase):
    """A stream without end that counts what is taken from it."""

    taken = 0

    def read(self, size: int = -1) -> bytes:
        assert size > 0
        self.taken += size
        return b"x" * size


def test_reading_stops_one_byte_after_the_limit():
    stream = Endless()
    with pytest.raises(JsonInvalid, match="larger than 5000000 bytes"):
        read_limited(stream, max_bytes=5_000_000)
    assert stream.taken == 5_000_001


def test_reading_takes_paths_and_streams(tmp_path: Path):
    path = tmp_path / "request.json"
    path.write_bytes(b"{}")
    assert read_limited(path) == read_limited(str(path)) == read_limited(io.BytesIO(b"{}")) == b"{}"
    assert read_limited(path, max_bytes=2) == b"{}"


@pytest.mark.parametrize("path", ["/nonexistent/request.json", "/", "a\0b", "x" * 5000])
def test_what_cannot_be_read_is_a_bad_request(path):
    with pytest.raises(RequestInvalid, match=r"cannot be read|not a file"):
        read_limited(path)


# VmHWM, not ru_maxrss: the latter is inherited from the process that started this one.
MEASURE = """
import json, re, sys
from pathlib import Path
from magicrune.errors import RequestInvalid
from magicrune.request import parse_request
from magicrune.strictjson import read_limited
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
base = peak()
if sys.argv[1] == "standard":
    json.loads(sys.stdin.buffer.read())
    code = 0
else:
    try:
        parse_request(read_limited(sys.stdin.buffer))
    except RequestInvalid as error:
        code = error.exit_code
print(code, (peak() - base) // 1024)
"""
M = 16 << 20
EMOJI = "\U0001f600".encode()
HOSTILE = {
    "lists": lambda: b'{"cmd":[' + b"[]," * (M // 3 - 9) + b"0]}",
    "keys": lambda: b'{"cmd":"x"' + b"".join(b',"%d":0' % n for n in range(9990)) + b"}",
    "escapes": lambda: b'{"cmd":"' + b"\\n" * (M // 2 - 9) + b'"}',
    "wide": lambda: b'{"cmd":"' + EMOJI + b"a" * (M - 99) + b'"}',
    "wide, escaped": lambda: b'{"cmd":"\\n' + EMOJI + b"a" * (5 << 20) + b'"' + b" " * (10 << 20),
    "base64": lambda: b'{"files":[{"path":"/a","content_b64":"' + b"A" * (M - 99) + b'"}]}',
    "depth": lambda: b'{"cmd":' + b"[" * (M - 99),
    "size": lambda: b" " * (100 << 20),
}


def measure(reader: str, data: bytes) -> tuple[int, int]:
    """Exit code of the error, and peak of memory over the base in MiB."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, reader], input=data, capture_output=True, check=False
    )
    assert done.stderr == b""
    code, megabytes = done.stdout.split()
    return int(code), int(megabytes)


@pytest.mark.parametrize("shape", HOSTILE)
def test_hostile_requests_cost_less_than_64_mb_and_no_traceback(shape):
    code, megabytes = measure("ours", HOSTILE[shape]())
    assert code == 1
    assert megabytes < 64


def test_the_measure_sees_what_the_standard_parser_costs():
    assert measure("standard", HOSTILE["lists"]())[1] > 64
