"""magicrune.request: what fits, what does not and where; ids that are stable."""

from __future__ import annotations

import base64
import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from magicrune.errors import RequestInvalid
from magicrune.request import (
    FileEntry,
    SpellRequest,
    canonical_bytes,
    parse_request,
    request_sha256,
    run_id,
)


def parse(strict: bool = False, **keys: object) -> SpellRequest:
    return parse_request(json.dumps({"cmd": "true", **keys}).encode(), strict=strict)


FULL = {
    "stdin": "in\n",
    "env": {"B": "2", "A": "1"},
    "files": [{"path": "/tmp/a", "content_b64": "aGk="}],
    "policy_id": "default",
    "timeout_sec": 5,
    "allow_net": ["*.example.com:443"],
    "allow_fs": ["/tmp/**"],
    "seed": 7,
    "repeatable": True,
}


def test_a_full_request():
    request = parse(strict=True, **FULL)
    assert request.files[0].content() == b"hi"
    assert request.files[0].size() == 2
    assert request.allow_net == ("*.example.com:443",)
    assert request.env == {"A": "1", "B": "2"}


def test_defaults():
    request = parse()
    assert (request.stdin, request.files, request.env, request.seed) == ("", (), {}, None)
    assert (request.policy_id, request.timeout_sec, request.allow_net) == ("default", None, ())


def test_a_request_cannot_be_changed():
    with pytest.raises(ValidationError):
        parse().cmd = "false"


@pytest.mark.parametrize("left_out", [*FULL, "cmd"])
def test_strict_wants_every_key(left_out):
    keys = {"cmd": "true", **FULL}
    del keys[left_out]
    with pytest.raises(RequestInvalid, match=f"'{left_out}' is missing"):
        parse_request(json.dumps(keys).encode(), strict=True)


@pytest.mark.parametrize(
    ("keys", "where", "words"),
    [
        ({"cmd": ""}, "request.cmd", "empty"),
        ({"cmd": " \n"}, "request.cmd", "empty"),
        ({"cmd": "a\0b"}, "request.cmd", "NUL"),
        ({"cmd": "a" * 65537}, "request.cmd", "65536"),
        ({"cmd": "é" * 32769}, "request.cmd", "65536"),
        ({"cmd": ["a"]}, "request.cmd", "must be a string"),
        ({"cmd": None}, "request.cmd", "must be a string"),
        ({"stdin": 1}, "request.stdin", "must be a string"),
        ({"comand": "x"}, "request.comand", "unknown key"),
        ({"env": []}, "request.env", "mapping"),
        ({"env": {"A": 1}}, "request.env.A", "must be a string"),
        ({"env": {"A=B": ""}}, "request.env", "letters"),
        ({"env": {"": ""}}, "request.env", "letters"),
        ({"env": {"A\n": ""}}, "request.env", "letters"),
        ({"env": {"A": "\0"}}, "request.env", "NUL"),
        ({"env": {"A": "x" * 140_000}}, "request.env", "larger"),
        ({"files": {}}, "request.files", "must be a list"),
        ({"files": ["a"]}, "request.files[0]", "must be a mapping"),
        ({"files": [{"path": "/tmp/a"}]}, "request.files[0].content_b64", "missing"),
        ({"timeout_sec": -1}, "request.timeout_sec", "greater"),
        ({"timeout_sec": 61}, "request.timeout_sec", "60"),
        ({"timeout_sec": 1.0}, "request.timeout_sec", "integer"),
        ({"timeout_sec": "5"}, "request.timeout_sec", "integer"),
        ({"timeout_sec": True}, "request.timeout_sec", "integer"),
        ({"seed": -1}, "request.seed", "greater"),
        ({"seed": 2**63}, "request.seed", "less"),
        ({"policy_id": "../x"}, "request.policy_id", "must match"),
        ({"policy_id": "x\n"}, "request.policy_id", "must match"),
        ({"allow_net": "a.example"}, "request.allow_net", "must be a list"),
        ({"allow_net": ["a.example", "*.com"]}, "request.allow_net[1]", "too broad"),
        ({"allow_net": ["a.example"] * 101}, "request.allow_net", "more than 100"),
        ({"allow_fs": ["/tmp/../etc"]}, "request.allow_fs[0]", ".."),
        ({"allow_fs": ["/tmp/*.txt"]}, "request.allow_fs[0]", "whole directories"),
        ({"allow_fs": ["/**"]}, "request.allow_fs[0]", "whole file system"),
    ],
)
def test_what_does_not_fit_names_its_place(keys, where, words):
    with pytest.raises(RequestInvalid) as caught:
        parse(**keys)
    assert caught.value.where == where
    assert words in caught.value.message
    assert caught.value.exit_code == 1


def test_a_misspelled_key_comes_with_the_right_one():
    with pytest.raises(RequestInvalid) as caught:
        parse(alow_net=[])
    assert caught.value.hint == "did you mean allow_net?"


def file_entries(*paths: str) -> list[dict[str, str]]:
    return [{"path": path, "content_b64": ""} for path in paths]


@pytest.mark.parametrize(
    "path",
    [
        *("tmp/a", "", "/", "/tmp/../etc/passwd", "/tmp/..", "//tmp/a", "/tmp//a", "/tmp/./a"),
        *("/tmp/a/", "/tmp/a\0", "/tmp/a\n", "/tmp/" + "a" * 256, "/a" * 2100, "\\tmp\\a"),
    ],
)
def test_odd_paths_do_not_fit(path):
    with pytest.raises(RequestInvalid) as caught:
        parse(files=file_entries("/tmp/fine", path))
    assert caught.value.where == "request.files[1].path"


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        (("/tmp/a", "/tmp/b", "/tmp/a"), "twice"),
        (("/tmp/a/b", "/tmp/a"), "file of its own"),
        (("/tmp/a", "/tmp/a.txt", "/tmp/a/b/c"), "file of its own"),
        (tuple(f"/x/{n}" for n in range(1001)), "more than 1000"),
    ],
)
def test_files_must_be_able_to_lie_beside_each_other(paths, words):
    with pytest.raises(RequestInvalid, match=words):
        parse(files=file_entries(*paths))


def test_files_that_only_look_alike_can():
    assert len(parse(files=file_entries("/tmp/a", "/tmp/ab", "/tmp/a.b", "/tmp/A")).files) == 4


@given(st.binary(max_size=50))
def test_base64_as_written_by_the_standard_library_is_read(content):
    entry = FileEntry(path="/tmp/a", content_b64=base64.b64encode(content).decode())
    assert entry.content() == content
    assert entry.size() == len(content)


@given(st.text(alphabet="AQgw=+/-_ \n%", max_size=9))
@settings(max_examples=300)
def test_base64_has_one_spelling(text):
    try:
        content = FileEntry(path="/tmp/a", content_b64=text).content()
    except ValidationError:
        return
    assert base64.b64encode(content).decode() == text


@pytest.mark.parametrize("text", ["YQ", "YQ=", "YR==", "YQ==YQ==", "Y Q==", "YQ==\n", "-_==", "é"])
def test_other_base64_is_refused(text):
    with pytest.raises(RequestInvalid) as caught:
        parse(files=[{"path": "/tmp/a", "content_b64": text}])
    assert caught.value.where == "request.files[0].content_b64"


def test_one_meaning_has_one_hash():
    spaced = b'{ "timeout_sec": 0, "cmd" : "true", "env": {"B":"2","A":"1"} }'
    tight = b'{"env":{"A":"1","B":"2"},"cmd":"\\u0074rue","seed":null}'
    assert request_sha256(parse_request(spaced)) == request_sha256(parse_request(tight))


@pytest.mark.parametrize(
    "keys",
    [
        *({"cmd": "true "}, {"stdin": " "}, {"env": {"A": ""}}, {"files": file_entries("/tmp/a")}),
        *({"policy_id": "other"}, {"timeout_sec": 1}, {"allow_net": ["a.example"]}, {"seed": 0}),
        {"allow_fs": ["/tmp"]},
    ],
)
def test_every_key_counts_in_the_hash(keys):
    assert request_sha256(parse(**keys)) != request_sha256(parse())
    assert run_id(parse(**keys)) != run_id(parse())


def test_canonical_bytes_are_what_the_docs_say():
    assert (
        canonical_bytes(parse(cmd="é", seed=3))
        == (
            '{"allow_fs":[],"allow_net":[],"cmd":"é","env":{},"files":[],"policy_id":"default",'
            '"repeatable":false,"seed":3,"stdin":"","timeout_sec":null}'
        ).encode()
    )


def test_canonical_bytes_are_a_request_with_the_same_id():
    request = parse(**FULL)
    assert parse_request(canonical_bytes(request), strict=True) == request


def test_run_id_is_the_request_and_the_seed():
    plain, seeded = parse(), parse(seed=5)
    assert run_id(plain, 5) == run_id(seeded) == run_id(parse(seed=6), 5)
    assert run_id(plain) == run_id(parse())
    assert len({run_id(plain), run_id(plain, 0), run_id(plain, 5), run_id(plain, 6)}) == 4
    assert run_id(plain).startswith("r_")
    assert len(run_id(plain)) == 34


def test_run_id_is_the_same_in_another_process():
    code = (
        "from magicrune.request import *;"
        'print(run_id(parse_request(b\'{"cmd":"true","env":{"B":"","A":""}}\')))'
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == run_id(parse(env={"A": "", "B": ""}))


@given(
    st.dictionaries(
        st.sampled_from([*SpellRequest.model_fields, "other"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(max_size=5)
        | st.lists(st.text(max_size=5), max_size=2)
        | st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2)
        | st.lists(st.dictionaries(st.sampled_from(["path", "content_b64", "x"]), st.text())),
    )
)
@settings(max_examples=300)
def test_any_json_object_is_a_request_or_a_clear_refusal(value):
    try:
        request = parse_request(json.dumps(value).encode())
    except RequestInvalid:
        return
    assert parse_request(canonical_bytes(request)).cmd == value["cmd"]


@pytest.mark.parametrize("data", [b"[]", b"1", b'"x"', b"null", b"", b"{", b"\xff"])
def test_what_is_no_object_is_refused(data):
    with pytest.raises(RequestInvalid) as caught:
        parse_request(data)
    assert caught.value.where.startswith("request")
