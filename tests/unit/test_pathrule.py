"""magicrune.pathrule: one spelling for a path; globs that mean what they say, in linear time."""

from __future__ import annotations

import posixpath
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magicrune.errors import PatternInvalid
from magicrune.pathrule import (
    compile_globs,
    compile_names,
    covers,
    is_within,
    normalise_path,
    parse_tree,
)


@pytest.mark.parametrize("path", ["/", "/tmp/a", "/tmp/.hidden", "/a/...", "/tmp/é", "/a b", "/~"])
def test_normal_paths_stay_as_they_are(path):
    assert normalise_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        *("", "a", "./a", "../a", "~/a", "tmp/a", "/tmp/../etc", "/tmp/..", "/..", "/tmp/./a"),
        *("//tmp/a", "/tmp//a", "/tmp/a/", "/tmp/a\0", "/tmp/a\n", "/tmp/\x1b[2J", "/a\x7f"),
        *("/a\x85", "/\ud800", "/" + "a" * 256, "/" + "é" * 128, "/a" * 2048, "\\tmp", "C:/a"),
    ],
)
def test_other_spellings_are_refused(path):
    with pytest.raises(PatternInvalid):
        normalise_path(path)


def test_the_longest_path_and_name_pass():
    assert normalise_path("/" + "a" * 255)
    assert len(normalise_path("/" + "/".join(["a" * 254] * 16) + "/" + "b" * 14)) == 4095


@given(st.text(alphabet="/.ab\0é~*", max_size=20).map(lambda text: "/" + text))
def test_what_passes_names_the_same_file_after_any_normalisation(text):
    try:
        path = normalise_path(text)
    except PatternInvalid:
        return
    assert posixpath.normpath(path) == path == text


@pytest.mark.parametrize("text", ["/tmp", "/tmp/", "/tmp/**"])
def test_trees_have_three_spellings(text):
    assert parse_tree(text) == "/tmp"


@pytest.mark.parametrize(
    "text", ["/", "/**", "**", "", "tmp", "/tmp/*", "/tmp/**/x", "/t?p/**", "/[t]mp", "/a/../b/**"]
)
def test_only_whole_directories_are_trees(text):
    with pytest.raises(PatternInvalid):
        parse_tree(text)


@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [
        ("/tmp/**", "/tmp", True),
        ("/tmp", "/tmp/a/**", True),
        ("/tmp/a", "/tmp", False),
        ("/tmp", "/tmpx", False),
        ("/tmp", "/tm", False),
        ("/tmp/a", "/tmp/ab/c", False),
    ],
)
def test_covers(outer, inner, expected):
    assert covers(outer, inner) is expected


def test_a_tree_is_not_within_itself():
    assert is_within("/tmp/a", "/tmp")
    assert is_within("/tmp", "/")
    assert not is_within("/tmp", "/tmp")
    assert not is_within("/", "/")
    assert not is_within("/tmpa", "/tmp")


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("/tmp/**", "/tmp", True),
        ("/tmp/**", "/tmp/a/b", True),
        ("/tmp/**", "/tmpa", False),
        ("/tmp/*", "/tmp/a", True),
        ("/tmp/*", "/tmp/a/b", False),
        ("/tmp/*", "/tmp", False),
        ("/**/.ssh/**", "/home/u/.ssh/id", True),
        ("/**/.ssh/**", "/.ssh", True),
        ("/**/.ssh/**", "/home/u/.sshx/id", False),
        ("/**/a/**/b", "/a/a/x/b/b", True),
        ("/**/a/**/b", "/a/a/x/b/c", False),
        ("/proc/*/environ", "/proc/self/environ", True),
        ("/proc/*/environ", "/proc/1/task/1/environ", False),
        ("/a?c", "/abc", True),
        ("/a?c", "/a/c", False),
        ("/[a-c]x", "/bx", True),
        ("/[!a-c]x", "/bx", False),
        ("/[!a-c]x", "/dx", True),
        ("/[]a]", "/]", True),
        ("/[a-]", "/-", True),
        ("/A", "/a", False),
        ("/*.py", "/.py", True),
        ("/a*b*c", "/aXbYbZc", True),
        ("/a*b*c", "/aXbYbZ", False),
        ("/**", "/", True),
        ("/", "/", True),
        ("/", "/a", False),
        ("/a.c", "/abc", False),
    ],
)
def test_globs(pattern, path, expected):
    assert compile_globs([pattern])(path) is expected


@pytest.mark.parametrize(
    "pattern", ["", "a", "*", "**", "/a**", "/**a", "/a//b", "/a/", "/../a", "/[a", "/[z-a]", "/\n"]
)
def test_unreadable_globs_are_refused(pattern):
    with pytest.raises(PatternInvalid):
        compile_globs([pattern])


def reference(pattern: str) -> re.Pattern[str]:
    """The same glob as a (backtracking) regular expression."""
    expression = ""
    for name in pattern[1:].split("/"):
        if name == "**":
            expression += "(?:/[^/]+)*"
        else:
            expression += "/" + "".join({"*": "[^/]*", "?": "[^/]"}.get(c, c) for c in name)
    return re.compile(expression)


NAMES = st.text(alphabet="ab", min_size=1, max_size=3)
PATTERNS = st.lists(
    st.just("**")
    | st.text(alphabet="ab*?", min_size=1, max_size=4).filter(lambda n: "**" not in n),
    min_size=1,
    max_size=5,
)


@given(PATTERNS, st.lists(NAMES, min_size=1, max_size=5))
@settings(max_examples=300)
def test_globs_match_what_the_same_regular_expression_matches(pattern, names):
    glob, path = "/" + "/".join(pattern), "/" + "/".join(names)
    assert compile_globs([glob])(path) is bool(reference(glob).fullmatch(path))


def test_matching_does_not_blow_up():
    # 60 stars: a backtracking matcher takes longer than the universe has.
    matches = compile_globs(["/" + "a*" * 60 + "b", "/" + "**/a/" * 60 + "b"])
    assert not matches("/" + "a" * 255)
    assert not matches("/a" * 1000)
    assert matches("/" + "a" * 60 + "b")


def test_names():
    matches = compile_names(["APP_*", "X"])
    assert matches("APP_A")
    assert matches("X")
    assert not matches("XY")
    assert not matches("app_a")
    assert not compile_names([])("A")
