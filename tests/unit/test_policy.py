"""magicrune.policy: a policy is what it seems to be, or an error with its place and a hint."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from magicrune.admission import RESERVED_ENV
from magicrune.errors import PolicyInvalid
from magicrune.locations import shipped
from magicrune.pathrule import compile_globs
from magicrune.policy import Policy, Thresholds, find_policy, load_policy, parse_policy
from magicrune.policy_text import read_yaml
from magicrune.request import SpellRequest
from magicrune.sensitive import SENSITIVE

SMALLEST = """\
version: 1
capabilities: {}
limits:
  cpu_ms: 1000
  memory_mb: 64
  wall_sec: 5
  pids: 10
  output_bytes: 1000
  tmp_mb: 8
"""
DEFAULT = find_policy().read_text()


def parse(text: str | bytes) -> Policy:
    data = text.encode() if isinstance(text, str) else text
    return parse_policy(data, policy_id="test", source="p.yml")


def refused(text: str | bytes) -> PolicyInvalid:
    with pytest.raises(PolicyInvalid) as caught:
        parse(text)
    assert caught.value.exit_code == 4
    assert caught.value.where.startswith("p.yml")
    return caught.value


def test_the_shipped_default_denies():
    policy = load_policy(find_policy())
    assert policy.policy_id == "default"
    assert policy.sha256 == hashlib.sha256(DEFAULT.encode()).hexdigest()
    assert policy.capabilities.net.allow == ()
    assert policy.capabilities.fs.allow == ("/tmp/**", "/workspace/**")
    assert policy.runtime.backends == ("wasi", "oci", "podman", "docker")


def test_a_network_that_the_profile_would_refuse_is_told_at_once():
    granted = SMALLEST.replace("{}", '{net: {allow: ["a.example:443"]}}')
    parse(granted + "runtime: {seccomp: default}\n")
    parse(granted + "runtime: {seccomp: strict, unsafe_seccomp: loose}\n")
    parse(SMALLEST + "runtime: {seccomp: strict}\n")
    error = refused(granted + "runtime: {seccomp: strict}\n")
    assert "strict knows no internet sockets" in error.message


def test_what_is_left_out_is_granted_to_nobody():
    policy = parse(SMALLEST)
    assert policy.capabilities.fs.allow == policy.capabilities.fs.readonly == ()
    assert policy.capabilities.net.allow == policy.capabilities.env.allow == ()
    assert policy.grading.thresholds == parse(DEFAULT).grading.thresholds


@pytest.mark.parametrize("line", SMALLEST.splitlines())
def test_the_smallest_policy_needs_all_its_lines(line):
    if line == "limits:":
        text = SMALLEST[: SMALLEST.index(line)]
    else:
        text = SMALLEST.replace(line + "\n", "")
    assert "missing" in refused(text).message


@pytest.mark.parametrize(
    ("old", "new", "where", "words", "hint"),
    [
        ("version: 1", "version: 2", "p.yml:1:1", "must be 1", ""),
        ("version: 1", "version: '1'", "p.yml:1:1", "must be 1", ""),
        ("version: 1", "version: true", "p.yml:1:1", "must be 1", ""),
        ("cpu_ms:", "cpu_mss:", "p.yml:4:3", "unknown key", "did you mean cpu_ms?"),
        ("limits:", "limit:", "p.yml:3:1", "unknown key", "did you mean limits?"),
        ("pids: 10", "pids: '10'", "p.yml:7:3", "integer", ""),
        ("pids: 10", "pids: 0", "p.yml:7:3", "greater", ""),
        ("pids: 10", "pids:", "p.yml:7:3", "integer", ""),
        ("wall_sec: 5", "wall_sec: 61", "p.yml:6:3", "60", ""),
        ("pids: 10", "pids: 10\n  pids: 11", "p.yml:8:3", "given twice", ""),
        ("pids: 10", "pids: 010", "p.yml:7:9", "different things", 'quote it if it is text: "010"'),
        ("pids: 10", "pids: 1:30", "p.yml:7:9", "different things", '"1:30"'),
        ("pids: 10", "pids: 1_0", "p.yml:7:9", "different things", '"1_0"'),
        ("pids: 10", "pids: yes", "p.yml:7:9", "different things", '"yes"'),
        ("pids: 10", "pids: 1e1", "p.yml:7:9", "different things", '"1e1"'),
        ("pids: 10", "pids: .inf", "p.yml:7:9", "different things", '".inf"'),
        ("pids: 10", "pids: 0x10", "p.yml:7:9", "different things", '"0x10"'),
        ("pids: 10", "pids: 2020-01-01", "p.yml:7:9", "different things", '"2020-01-01"'),
        ("pids: 10", "pids: 9" + "9" * 30, "p.yml:7:9", "different things", ""),
        ("pids: 10", "yes: 10", "p.yml:7:3", "different things", '"yes"'),
        ("pids: 10", "10: 10", "p.yml:7:3", "not text", ""),
        ("pids: 10", "? [a]\n  : 1", "p.yml:7:5", "not plain text", ""),
        ("pids: 10", "&a pids: 10", "p.yml:7:3", "not plain text", ""),
        ("pids: 10", "!!str pids: 10", "p.yml:7:3", "not plain text", ""),
        ("pids: 10", "pids: !!int 10", "p.yml:7:9", "tag", ""),
        ("pids: 10", "pids: !!python/object/apply:os.system [x]", "p.yml:7:9", "tag", ""),
        ("pids: 10", "pids: &a 10", "p.yml:7:9", "anchor", ""),
        ("pids: 10", "pids: *a", "p.yml:7:9", "alias", "quote"),
        ("pids: 10", "<<: {pids: 10}", "p.yml:7:3", "different things", ""),
        ("pids: 10", "pids: [", "p.yml:9:9", "not YAML", ""),
        ("pids: 10", "\tpids: 10", "p.yml:7:3", "not YAML", ""),
        ("version: 1", "%YAML 1.1\n---\nversion: 1", "p.yml:1:1", "directive", ""),
        ("  tmp_mb: 8", "  tmp_mb: 8\n---\na: 1", "p.yml:10:1", "second document", ""),
    ],
)
def test_bad_lines_are_named(old, new, where, words, hint):
    assert old in SMALLEST
    error = refused(SMALLEST.replace(old, new))
    assert words in error.message
    assert hint in error.hint
    assert error.where == where


@pytest.mark.parametrize(
    ("capabilities", "words"),
    [
        ("fs: {default: allow}", "allowing all is not possible"),
        ("net: {default: allow}", "allowing all is not possible"),
        ("net: {default: maybe}", "must be 'deny'"),
        ("fs: {allow: [/tmp/*.txt]}", "only whole directories"),
        ("fs: {allow: ['**']}", "only whole directories"),
        ("fs: {allow: [tmp]}", "not absolute"),
        ("fs: {allow: ['/**']}", "whole file system"),
        ("fs: {allow: [/]}", "whole file system"),
        ("fs: {allow: [/tmp/../etc]}", ".."),
        ("fs: {allow: [/usr/local/**]}", "belongs to the image"),
        ("fs: {allow: [/lib64]}", "belongs to the image"),
        ("fs: {allow: [/proc]}", "belongs to the image"),
        ("fs: {readonly: [/etc/ssl]}", "belongs to the image"),
        ("fs: {allow: [/var/run/x]}", "belongs to the image"),
        ("fs: {allow: [/tmp], readonly: [/tmp/a]}", "overlap"),
        ("fs: {allow: [/tmp/a], readonly: [/tmp]}", "overlap"),
        ("fs: {allow: [/tmp], readonly: [/tmp/**]}", "overlap"),
        ("fs: {allow: /tmp}", "must be a list"),
        ("net: {allow: ['*.com']}", "too broad"),
        ("net: {allow: [127.1.1.1.1]}", "not a plain IPv4"),
        ("net: {allow: [[a]]}", "must be a string"),
        ("env: {allow: ['A B']}", "pattern of variable names"),
        ("env: {allow: ['[Z-A]']}", "empty range"),
        ("env: {default: deny}", "unknown key"),
        ("mounts: {}", "unknown key"),
    ],
)
def test_what_cannot_be_enforced_is_refused_when_read(capabilities, words):
    error = refused(SMALLEST.replace("capabilities: {}", "capabilities: {" + capabilities + "}"))
    assert words in error.message
    assert error.where.startswith("p.yml:2:")


@pytest.mark.parametrize(
    "tree", ["/library/**", "/home/user", "/variety", "/var/lib/x", "/tmp/usr"]
)
def test_what_only_looks_like_the_image_is_granted(tree):
    text = SMALLEST.replace("capabilities: {}", f"capabilities: {{fs: {{allow: ['{tree}']}}}}")
    assert parse(text).capabilities.fs.allow == (tree,)


@pytest.mark.parametrize(
    ("runtime", "words"),
    [
        ("{backends: []}", "must not be empty"),
        ("{backends: [wasi, wasi]}", "twice"),
        ("{backends: [fake]}", "must be 'wasi'"),
        ("{image: 'A b'}", "must match"),
        ("{engine: x}", "unknown key"),
    ],
)
def test_runtime(runtime, words):
    assert words in refused(SMALLEST + f"runtime: {runtime}\n").message


def grading(green: str, yellow: str, red: str) -> str:
    return (
        f'{SMALLEST}grading: {{thresholds: {{green: "{green}", yellow: "{yellow}", red: "{red}"}}}}'
    )


@pytest.mark.parametrize(
    ("thresholds", "words"),
    [
        (("<=20", "22..=60", ">=61"), "leave a gap between 20 and 22"),
        (("<=20", "20..=60", ">=61"), "overlap"),
        (("<=20", "21..=60", ">=62"), "leave a gap between 60 and 62"),
        (("<=20", "21..=60", ">=60"), "overlap"),
        (("<=60", "61..=20", ">=21"), "each hold a score"),
        (("<=20", "21..=100", ">=101"), "each hold a score"),
        (("<20", "21..=60", ">=61"), "cannot be read"),
        (("<=20", "21..60", ">=61"), "cannot be read"),
        (("<= 20", "21..=60", ">=61"), "cannot be read"),
        (("<=-1", "0..=60", ">=61"), "cannot be read"),
        (("<=\u0662\u0660", "21..=60", ">=61"), "cannot be read"),
    ],
)
def test_thresholds_leave_no_score_without_one_colour(thresholds, words):
    assert words in refused(grading(*thresholds)).message


@given(st.integers(0, 98), st.data())
def test_every_score_has_the_colour_that_the_text_says(green, data):
    yellow = data.draw(st.integers(green + 1, 99))
    found = Thresholds(green=f"<={green}", yellow=f"{green + 1}..={yellow}", red=f">={yellow + 1}")
    for score in range(101):
        expected = "green" if score <= green else "yellow" if score <= yellow else "red"
        assert found.colour(score) == expected


def test_default_thresholds():
    colour = parse(DEFAULT).grading.thresholds.colour
    assert [colour(n) for n in (0, 20, 21, 60, 61, 100)] == ["green"] * 2 + ["yellow"] * 2 + [
        "red"
    ] * 2


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"# nothing\n", "empty"),
        (b"a", "mapping"),
        (b"[]", "mapping"),
        (b"\xff\xfe", "UTF-8"),
        (b"a: \x00", "not YAML"),
        (b"a: " + b"[" * 17 + b"]" * 17, "nested deeper"),
        (b"a: " + b"[" * 200_000, "nested deeper"),
        (b"a: " + b"{a: " * 60_000, "nested deeper"),
        (b"- " * 100_000, "nested deeper"),
        (b"#" * (256 * 1024 + 1), "larger than"),
        (b"a: &a [x]\nb: [*a,*a,*a]\n", "anchor"),
    ],
)
def test_hostile_files_are_refused(data, words):
    assert words in refused(data).message


def test_one_byte_less_is_read():
    text = SMALLEST + "#" * (256 * 1024 - len(SMALLEST))
    assert parse(text).version == 1


@given(st.binary(max_size=60))
@settings(max_examples=200)
def test_any_bytes_are_refused_clearly(data):
    assert refused(data).message


@given(st.text(alphabet="ab:-[]{}&*!|>'\"%@`#,? \n\t1~<=", max_size=30))
@settings(max_examples=300)
def test_yaml_like_text_changes_nothing_or_is_refused_clearly(text):
    try:
        policy = parse(SMALLEST + text)
    except PolicyInvalid:
        return
    assert policy.model_dump() == parse(SMALLEST).model_dump()


TEXT = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=8)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**17), 10**17) | TEXT,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
        max_leaves=10,
    )
)
def test_json_is_read_as_json(value):
    # JSON with ASCII escapes is YAML whose strings are all quoted.
    found, positions = read_yaml(json.dumps(value).encode(), source="x")
    assert found == value
    assert positions[()] == (1, 1)


def test_names_and_paths(tmp_path: Path):
    assert find_policy("default") == find_policy() == find_policy(None)
    assert find_policy("./x") == Path("x")
    assert find_policy("x.yml") == Path("x.yml")
    with pytest.raises(PolicyInvalid) as caught:
        find_policy("defalt")
    assert caught.value.hint == "did you mean default?"
    path = tmp_path / "strict.policy.yml"
    path.write_text(SMALLEST)
    assert load_policy(find_policy(str(path))).policy_id == "strict"


@pytest.mark.parametrize(
    "name", ["..", "", "a b", "*", "../default", "x\0y.yml", "no/such.yml", "/"]
)
def test_odd_names_are_refused(name):
    with pytest.raises(PolicyInvalid):
        load_policy(find_policy(name))


def test_a_file_name_that_cannot_be_an_id_is_refused(tmp_path: Path):
    path = tmp_path / "-x y.policy.yml"
    path.write_text(SMALLEST)
    with pytest.raises(PolicyInvalid, match="cannot be a policy's name"):
        load_policy(path)


@pytest.mark.parametrize(
    "path",
    [
        *("/home/u/.ssh/id_rsa", "/root/.ssh", "/workspace/.aws/credentials", "/etc/shadow"),
        *("/proc/self/environ", "/proc/1/environ", "/run/secrets/x", "/tmp/.netrc", "/root/x"),
        *("/home/u/.docker/config.json", "/home/u/.kube/config", "/a/.git-credentials"),
    ],
)
def test_secrets_are_watched(path):
    assert compile_globs(SENSITIVE)(path)


@pytest.mark.parametrize("path", ["/etc/passwd", "/workspace/ssh", "/tmp/.sshd", "/proc/self/maps"])
def test_ordinary_files_are_not(path):
    assert not compile_globs(SENSITIVE)(path)


def test_sensitive_adds_and_is_checked():
    assert parse(SMALLEST + "sensitive: [/data/**]\n").sensitive == ("/data/**",)
    assert "not absolute" in refused(SMALLEST + "sensitive: ['*.pem']\n").message


DOCS = (Path(__file__).parents[2] / "docs" / "policy.md").read_text()


def test_the_example_of_the_docs_is_a_policy():
    example = DOCS.partition("```yaml\n")[2].partition("```")[0]
    assert parse(example).limits == parse(DEFAULT).limits


def keys_of(model: type[BaseModel], prefix: str = "") -> list[str]:
    found = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel) and name != "thresholds":
            found += keys_of(inner, f"{prefix}{name}.")
        else:
            found.append(prefix + name)
    return found


@pytest.mark.parametrize("key", [*keys_of(Policy), *SpellRequest.model_fields])
def test_the_docs_have_every_key(key):
    assert f"| `{key}` |" in DOCS


@pytest.mark.parametrize("name", RESERVED_ENV)
def test_the_docs_have_every_reserved_variable(name):
    assert name in DOCS


def test_schemas_are_what_the_models_say():
    script = Path(__file__).parents[2] / "scripts" / "schemas.py"
    done = subprocess.run(
        [sys.executable, script, "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_without_libyaml_the_answers_are_the_same(monkeypatch):
    with_libyaml = parse(DEFAULT)
    monkeypatch.delattr("yaml.CSafeLoader")
    assert parse(DEFAULT) == with_libyaml
    assert refused(SMALLEST.replace("pids: 10", "pids: 010")).where == "p.yml:7:9"
    assert "nested deeper" in refused(b"a: " + b"[" * 200_000).message


@pytest.mark.parametrize(
    ("key", "entry", "said"),
    [
        ("allow", "127.0.0.1:80", "unsafe_host_loopback"),
        ("allow", "127.0.0.0/8", "unsafe_host_loopback"),
        ("allow", "[::1]:80", "unsafe_host_loopback"),
        ("allow", "::ffff:127.0.0.1", "unsafe_host_loopback"),
        ("allow", "localhost:80", "unsafe_host_loopback"),
        ("allow", "198.18.0.1", "stands for names"),
        ("allow", "198.18.0.0/15:80", "stands for names"),
        ("allow", "fdff:6d61:6769:63::1", "stands for names"),
        ("unsafe_host_loopback", "10.0.0.1:80", "not loopback"),
        ("unsafe_host_loopback", "0.0.0.0/0", "not loopback"),
        ("unsafe_host_loopback", "localhost:80", "not loopback"),
        ("resolvers", "dns.example", "not the address"),
        ("resolvers", "1.1.1.1:0", "no port"),
        ("resolvers", "1.1.1.1:65536", "no port"),
        ("resolvers", "0.0.0.0", "no server"),
        ("resolvers", "fe80::1%eth0", "no server"),
    ],
)
def test_network_entries_that_a_policy_cannot_have(key, entry, said):
    text = SMALLEST.replace("capabilities: {}", f"capabilities: {{net: {{{key}: ['{entry}']}}}}")
    assert text != SMALLEST
    assert said in str(refused(text))


def test_wider_entries_are_no_conflict():
    entries = '["198.0.0.0/8", "fc00::/7", "126.0.0.0/7", "0.0.0.0/0"]'
    text = SMALLEST.replace("capabilities: {}", f"capabilities: {{net: {{allow: {entries}}}}}")
    assert len(parse(text).capabilities.net.allow) == 4


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[wasi, oci, podman, docker]", "[]", "runtime.backends: must not be empty"),
        ("image_digest: null", 'image_digest: "sha256:12"', "is no digest (sha256: and 64 hex"),
        ("version: 1", "version:\t1\n\tx: 1", "(indent with spaces)"),
    ],
)
def test_a_mistake_is_told_in_our_words(old: str, new: str, says: str) -> None:
    text = shipped("policies/default.policy.yml").read_text()
    assert old in text
    with pytest.raises(PolicyInvalid) as caught:
        parse_policy(text.replace(old, new).encode(), policy_id="own", source="own.yml")
    assert says in str(caught.value)
