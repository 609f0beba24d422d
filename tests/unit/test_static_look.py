"""magicrune.static_look: network clients that the text of a job calls by name."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magicrune.shell_words import scan_commands
from magicrune.static_look import network_intents, program_destination


def seen(cmd: str) -> list[str]:
    return [str(intent.destination) for intent in network_intents(cmd, ())]


X = "x.example:80"


@pytest.mark.parametrize(
    "cmd",
    [
        *(
            "curl x.example",
            "true; curl x.example",
            "true && curl x.example",
            "a || curl x.example",
        ),
        *(
            "true | curl x.example",
            "true & curl x.example &",
            "a\ncurl x.example",
            "(curl x.example)",
        ),
        *("{ curl x.example; }", "$(curl x.example)", "a=$(curl x.example)", "`curl x.example`"),
        *('echo "$(curl x.example)"', 'echo "`curl x.example`"', "echo ${a:-$(curl x.example)}"),
        *("if curl x.example; then a; fi", "if a; then curl x.example; fi", "! curl x.example"),
        *("while curl x.example; do a; done", "for i in 1; do curl x.example; done"),
        *("case a in a) curl x.example;; esac", "$(case a in a) curl x.example;; esac)"),
        *("f() { curl x.example; }; f", "A=1 B=2 curl x.example", "2>&1 >f curl x.example"),
        *(
            "sudo curl x.example",
            "sudo -u me timeout -s KILL 5 curl x.example",
            "exec curl x.example",
        ),
        *("env A=b curl x.example", "nohup curl x.example", "echo a | xargs -n 1 curl x.example"),
        *("/usr/bin/curl x.example", "'cu'rl x.example", "c\\url x.example", "curl 'x.example'"),
        *(
            "sh -c 'curl x.example'",
            "bash -ec 'a; curl x.example'",
            "sh -c \"sh -c 'curl x.example'\"",
        ),
        *("eval curl x.example", "eval 'curl x.example'", "diff <(curl x.example) b"),
        *("curl http://user:pw@x.example/$path", "curl X.Example./", "curl -- x.example"),
        *("curl -sSo f x.example", "curl --output f x.example", "curl --output=f x.example"),
        *(
            "cat <<E\ncurl y.example\nE\ncurl x.example",
            "cat <<-'E'\n\tcurl y\n\tE\ncurl x.example",
        ),
        *("wget -qO- x.example", "wget -O f http://x.example", "busybox wget x.example"),
        *("nc x.example 80", "nc -w 3 -v x.example 80", "telnet x.example 80", "ncat x.example 80"),
        *(
            "exec 3<>/dev/tcp/x.example/80",
            "echo a >/dev/udp/x.example/80",
            "a \\\n; curl x.example",
        ),
        *(
            "socat - TCP:x.example:80",
            "curl --url x.example",
            "time -p curl x.example",
            "#\ncurl x.example",
        ),
    ],
)
def test_a_client_in_command_position_is_seen(cmd):
    assert seen(cmd) == [X]


@pytest.mark.parametrize(
    "cmd",
    [
        *(
            "echo curl x.example",
            "echo 'curl x.example'",
            'echo "; curl x.example"',
            "# curl x.example",
        ),
        *("true # ; curl x.example", "echo '\ncurl x.example\n'", "cat <<E\ncurl x.example\nE"),
        *(
            "cat <<'E'\n$(curl x.example)\nE",
            "grep curl x.example",
            "curlx x.example",
            "curl=x.example",
        ),
        *("man curl", "command -v curl x.example", "ls curl", "echo \\; curl x.example", "curl"),
        *(
            "curl --version",
            "curl -o x.example",
            'curl "$url"',
            "curl http://$host/",
            "curl ${h}.example",
        ),
        *(
            "curl file:///etc/passwd",
            "nc -l -p 80",
            "nc -lp 80 x.example",
            "git add a:b",
            "git log x.example",
        ),
        *("scp a b", "rsync -a a/ b/", "pip install flask", "pip install ./a", "git clone /srv/a"),
        *("for curl in x.example; do a; done", "test curl = x.example", "echo a >curl", ""),
    ],
)
def test_text_that_is_no_call_with_a_literal_destination_is_not(cmd):
    assert seen(cmd) == []


@pytest.mark.parametrize(
    ("cmd", "expected"),
    [
        ("curl https://a.example b.example:81", ["a.example:443", "b.example:81"]),
        ("curl -x proxy.example:3128 http://a.example", ["a.example:80", "proxy.example:3128"]),
        ("curl http://2130706433/", ["127.0.0.1:80"]),
        ("curl 'http://[::ffff:10.0.0.1]:8080/'", ["10.0.0.1:8080"]),
        ("nc ::1 22", ["[::1]:22"]),
        ("ssh -p 2222 -i key me@a.example ls", ["a.example:2222"]),
        ("ssh a.example", ["a.example:22"]),
        ("sftp me@a.example:/x", ["a.example:22"]),
        ("scp -P 23 f me@a.example:/x", ["a.example:23"]),
        ("rsync -a f a.example::mod", ["a.example:873"]),
        ("rsync -e ssh f a.example:/x", ["a.example:22"]),
        ("git clone git@a.example:r.git", ["a.example:22"]),
        ("git -C d fetch https://a.example/r", ["a.example:443"]),
        ("git clone git://a.example/r", ["a.example:9418"]),
        ("pip3.11 install --index-url https://a.example/simple flask", ["a.example:443"]),
        ("python3 -m pip install 'x @ git+https://a.example/x'", ["a.example:443"]),
        ("npm install --registry=https://a.example/ x", ["a.example:443"]),
        ("telnet a.example", ["a.example"]),
    ],
)
def test_destinations_of_each_client(cmd, expected):
    assert seen(cmd) == expected


def test_each_intent_has_its_program_and_line():
    cmd = "true\n\ncurl a.example\nx=$(\nwget b.example)\n"
    files = (
        ("/tmp/a.sh", b"\n\nnc c.example 1\n"),
        ("/tmp/b", b"#!/usr/bin/env bash\nssh d.example"),
        ("/tmp/c", b"#!/usr/bin/python3\ncurl = 'e.example'"),
        ("/tmp/d.txt", b"curl f.example"),
    )
    found = [(i.program, str(i.destination), i.where) for i in network_intents(cmd, files)]
    assert found == [
        ("curl", "a.example:80", "request.cmd:3"),
        ("wget", "b.example:80", "request.cmd:5"),
        ("nc", "c.example:1", "/tmp/a.sh:3"),
        ("ssh", "d.example:22", "/tmp/b:2"),
    ]


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (("curl", "https://a.example"), ("a.example", 443)),
        (("sudo", "wget", "a.example"), ("a.example", 80)),
        (("telnet", "a.example"), ("a.example", None)),
        (("echo", "curl", "a.example"), None),
        (("curl",), None),
        ((), None),
    ],
)
def test_destination_of_a_program(argv, expected):
    assert program_destination(argv) == expected


@given(st.text(alphabet="abc \n\t'\"\\$(){}`;&|<>#=~*?[]!-/.:\x0b\xa0", max_size=60))
@settings(max_examples=500)
def test_any_text_is_scanned_to_its_end(text):
    for command in scan_commands(text):
        assert 1 <= command.line <= text.count("\n") + 1
    assert all(intent.where for intent in network_intents(text, (("/a.sh", text.encode()),)))


@given(st.lists(st.text(alphabet="ab $'\"\\;|&\n#`(", max_size=6), min_size=1, max_size=5))
def test_quoted_words_come_back_as_they_were(words):
    argv = ("x", *words)
    assert [each.words for each in scan_commands(shlex.join(argv))] == [argv]


@pytest.mark.parametrize(
    "text",
    [
        *("(" * 60_000, "$(" * 30_000, "`" * 60_000, '"$(' * 20_000, "${" * 30_000, '"' * 60_000),
        *("a\n" * 30_000, "cat <<E\n" * 8_000, "\\" * 60_000, "case x in " * 6_000, "<" * 60_000),
        *("curl " + "/" * 60_000, "git clone " + "a@" * 30_000, "sh -c '" * 9_000, "a[" * 30_000),
    ],
)
def test_hostile_text_ends(text):
    assert isinstance(network_intents(text, (("/a.sh", text.encode()),)), tuple)
