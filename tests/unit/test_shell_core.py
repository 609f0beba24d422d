"""The shell in its lane: limits, messages and host calls that no other shell can be asked about.

What POSIX says is in tests/shell/core, as golden cases made with dash.
"""

from __future__ import annotations

import shlex

import pytest

from magicrune.observation import EventKind
from tests.conftest import RunJob


@pytest.mark.parametrize(
    "script",
    [
        "f() { f; }; f",
        "f() { if true; then { f; }; fi; }; f",
        "e() { eval e; }; e",
        "echo '. ./s' >s; . ./s",
        "trap 'kill -USR1 $$' USR1; kill -USR1 $$",
        "eval \"$(yes '(' | head -5000 | tr -d '\\n')\"",
        "eval \"$(yes '{ ' | head -5000 | tr -d '\\n')\"",
        "eval \"echo $(yes '${x-' | head -5000 | tr -d '\\n')\"",
        "echo $(( $(yes '(' | head -20000 | tr -d '\\n') ))",
        "echo $(( $(yes '- ' | head -20001 | tr -d '\\n')1 ))",
        "[ $(yes '(' | head -9000) ]",
    ],
)
def test_nesting_without_end_is_an_error_not_a_trap(run_job: RunJob, script: str) -> None:
    seen = run_job(f"sh -c {shlex.quote(script)}; echo status $?")
    assert seen.stdout == b"status 2\n"
    assert b"nested too deeply" in seen.stderr


def test_long_lists_are_not_deep(run_job: RunJob) -> None:
    seen = run_job(
        "eval \"$(yes 'true &&' | head -20000 | tr '\\n' ' ') echo and\"\n"
        "eval \"$(yes 'true;' | head -20000 | tr '\\n' ' ') echo seq\"\n"
        "eval \"if false; then :; $(yes 'elif false; then :;' | head -3000 | tr '\\n' ' ') "
        'else echo elif; fi"'
    )
    assert seen.stdout == b"and\nseq\nelif\n"


def test_recursion_of_a_sane_depth_works(run_job: RunJob) -> None:
    seen = run_job("f() { [ $1 -eq 0 ] || f $(($1-1)); }; f 250; echo $?")
    assert seen.stdout == b"0\n"


@pytest.mark.parametrize("word", ["fg", "bg"])
def test_job_control_says_that_it_is_not_there(run_job: RunJob, word: str) -> None:
    seen = run_job(f"{word}; echo $?")
    assert seen.stdout == b"2\n"
    assert seen.stderr == f"sh: 1: {word}: job control is not available in the WASI lane\n".encode()


def test_monitor_mode_and_ulimit_say_so_too(run_job: RunJob) -> None:
    seen = run_job("set -m; echo $?; ulimit -n; echo $?")
    assert seen.stdout == b"0\n2\n"
    assert b"job control is not available" in seen.stderr
    assert b"limits are set by the policy" in seen.stderr


def test_a_name_that_is_not_found_is_told_and_recorded(run_job: RunJob) -> None:
    seen = run_job("echo 1\nnmap -sS x; echo $?")
    assert seen.stdout == b"1\n127\n"
    assert seen.stderr == b"sh: 2: nmap: not found\n"
    attempts = [event for event in seen.events if event.kind is EventKind.EXEC]
    assert any("nmap" in str(event.detail) for event in attempts)


def test_a_reader_that_leaves_ends_the_writer(run_job: RunJob) -> None:
    seen = run_job(
        "(while :; do echo y; done; echo no) | head -n 1; (yes; echo $? >&2) | head -n 1"
    )
    assert (seen.stdout, seen.stderr) == (b"y\ny\n", b"141\n")


def test_a_writer_that_ignores_it_is_told(run_job: RunJob) -> None:
    seen = run_job("trap '' PIPE; { sleep 0.05; echo y; echo $? >&2; } | :")
    assert seen.stderr == b"sh: 1: write error: Broken pipe\n1\n"


def test_descriptors_of_the_shell_are_out_of_reach(run_job: RunJob) -> None:
    seen = run_job("{ echo no >&900; echo $?; echo no >&1000; echo $?; exec 950>f; } 2>&1; ls")
    assert seen.stdout.splitlines()[1::2][:2] == [b"2", b"2"]
    assert seen.stdout.splitlines()[-1] == b"sh: 1: 950: Bad file descriptor"


def test_low_descriptors_are_all_the_scripts(run_job: RunJob) -> None:
    seen = run_job(
        'for n in 3 4 5 6 7 8 9; do eval "exec $n>f$n"; eval "echo $n >&$n"; done; cat f?'
    )
    assert seen.stdout == b"3\n4\n5\n6\n7\n8\n9\n"


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"\0\1\2garbage\n", 126),
        (b"echo ran $1\n", 0),
        (b"#!/bin/sh\necho ran $1\n", 0),
        (b"#!/usr/bin/env bash\necho ran $1\n", 0),
        (b"#! /bin/sh -u\necho ran $1\n", 0),
        (b"#!/bin/cat\nran 7\n", 0),
        (b"#!/no/such\n", 127),
    ],
)
def test_a_file_runs_as_its_first_line_says(run_job: RunJob, content: bytes, status: int) -> None:
    seen = run_job(": >7; chmod +x p; ./p 7 2>/dev/null", files={"/workspace/p": content})
    assert seen.exit_code == status
    assert (b"ran 7\n" in seen.stdout) == (status == 0)


def test_stdin_is_shared_line_by_line(run_job: RunJob) -> None:
    seen = run_job("sh; echo then; cat", stdin=b"read a\nfirst\necho $a\nexit\nrest\n")
    assert seen.stdout == b"first\nthen\nrest\n"


def test_a_long_loop_does_not_grow(run_job: RunJob) -> None:
    script = 'i=0; while [ $i -lt %d ]; do i=$((i+1)); x="${x-}"; set -- $i a b; done; echo $1'
    few, many = (run_job(script % n) for n in (100, 20000))
    assert many.stdout == b"20000\n"
    assert many.usage.memory_peak_bytes == few.usage.memory_peak_bytes


def test_values_of_megabytes(run_job: RunJob) -> None:
    seen = run_job(
        "x=$(yes | head -c 3000000); echo ${#x}; y=${x%y*}; echo ${#y}; set -- $x; echo $#"
    )
    assert seen.stdout == b"2999999\n2999998\n1500000\n"


def test_the_environment_goes_to_programs_as_the_shell_has_it(run_job: RunJob) -> None:
    seen = run_job(
        "A=1; export B=2; C=3 env | grep -c '^[ABC]='; unset IN; env | grep IN=; sh -c 'echo $B$C'",
        env={"IN": "x"},
    )
    assert seen.stdout == b"2\n2\n"
