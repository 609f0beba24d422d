"""The host, as a job in the WASI lane tries to reach it: files, environment, functions.

Each probe is run twice: where it is allowed (the positive control, by the machine's own sh
or on the job's own files) and in the lane. test_wasi_mutations.py takes controls out.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import wasmtime

from magicrune.observation import Ending, EventKind
from tests.conftest import RunJob

SECRET = "swordfish-7321"


def on_host(cmd: str, cwd: Path) -> bytes:
    done = subprocess.run(["sh", "-c", cmd], capture_output=True, cwd=cwd, check=False)
    return done.stdout + done.stderr


READS = {
    "absolute": "cat {path}",
    "dots": "cd /tmp && cat ../../../../../..{path}",
    "double_slash": "cat //.{path}",
    "symlink": "d=$(mktemp -d) && ln -s {path} $d/l && cat $d/l",
    "symlink_to_directory": "d=$(mktemp -d) && ln -s / $d/l && cat $d/l{path}",
    "redirection": "while read -r line; do echo $line; done < {path}",
    "own_root": "cat /proc/self/root{path}",
    "descriptor": "exec 7< {path} && cat <&7",
    "glob": "cat {parent}/*",
    "source": ". {path} || cat {path}",
}


@pytest.mark.parametrize("probe", READS.values(), ids=READS.keys())
def test_host_file_cannot_be_read(probe: str, run_job: RunJob, tmp_path: Path) -> None:
    secret = tmp_path / "secret.sh"
    secret.write_text(f"echo {SECRET}\n")
    cmd = probe.format(path=secret, parent=tmp_path)
    assert SECRET.encode() in on_host(cmd, tmp_path), "the probe itself does not work"
    seen = run_job(cmd)
    assert SECRET.encode() not in seen.stdout + seen.stderr
    assert seen.exit_code != 0


@pytest.mark.parametrize(
    "probe",
    [
        "echo {secret} > {path}",
        "echo {secret} | tee {path}",
        "ln -s {path} /tmp/l$$ && echo {secret} > /tmp/l$$; rm -f /tmp/l$$",
        "cd /tmp && echo {secret} > ../../../../../..{path}",
        "f=$(mktemp) && echo {secret} > $f && cp $f {path}",
        "f=$(mktemp) && echo {secret} > $f && mv $f {path}",
        "mkdir -p {path}.d && echo {secret} > {path}",
    ],
)
def test_host_file_cannot_be_written(probe: str, run_job: RunJob, tmp_path: Path) -> None:
    target = tmp_path / "target"
    cmd = probe.format(path=target, secret=SECRET)
    on_host(cmd, tmp_path)
    assert SECRET in target.read_text(), "the probe itself does not work"
    target.unlink()
    run_job(cmd)  # may succeed: /tmp of the job is its own
    assert not target.exists()


def test_host_environment_is_not_inherited(
    run_job: RunJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAGICRUNE_TEST_SECRET", SECRET)
    assert SECRET.encode() in on_host("env", tmp_path)
    seen = run_job("env; set; export -p; cat /proc/self/environ")
    assert SECRET.encode() not in seen.stdout + seen.stderr
    assert b"PATH=" in seen.stdout


def test_given_environment_arrives(run_job: RunJob) -> None:
    assert run_job("echo $GIVEN", env={"GIVEN": SECRET}).stdout == f"{SECRET}\n".encode()


WAT_PATH_OPEN = """(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "{path}")
  (func (export "_start") (local $fd i32) (local $errno i32)
    (local.set $fd (i32.const 3))
    (loop $next
      (local.set $errno (call $open (local.get $fd) (i32.const {follow}) (i32.const 64)
        (i32.const {length}) (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0)
        (i32.const 8)))
      (if (i32.eqz (local.get $errno)) (then (call $exit (i32.const 42))))
      (local.set $fd (i32.add (local.get $fd) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $fd) (i32.const 10))))
    (call $exit (local.get $errno))))"""


def path_open_module(path: str) -> bytes:
    text = WAT_PATH_OPEN.format(path=path, length=len(path), follow=1)
    return bytes(wasmtime.wat2wasm(text))


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../etc/passwd",
        "../../etc/passwd",
        "x/../../../etc/passwd",
        "link/passwd",
        "..",
    ],
)
def test_module_cannot_open_beyond_its_directories(path: str, run_job: RunJob) -> None:
    files = {"/workspace/probe.wasm": path_open_module(path), "/workspace/x/file": b""}
    seen = run_job("ln -s /etc link; ./probe.wasm", files=files)
    assert seen.exit_code not in (0, 42)
    if path != "link/passwd":
        assert any(event.kind is EventKind.DENIED for event in seen.events)


@pytest.mark.parametrize("path", ["x/file", "x/../x/file", "inner/file"])
def test_module_opens_what_is_its_own(path: str, run_job: RunJob) -> None:
    files = {"/workspace/probe.wasm": path_open_module(path), "/workspace/x/file": b""}
    assert run_job("ln -s x inner; ./probe.wasm", files=files).exit_code == 42


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("magicrune", "proc_fork"),
        ("magicrune", "proc_exec"),
        ("env", "system"),
        ("wasi_unstable", "x"),
    ],
)
def test_module_gets_no_other_host_function(module: str, name: str, run_job: RunJob) -> None:
    text = f'(module (import "{module}" "{name}" (func)) (func (export "_start")))'
    seen = run_job("./m.wasm", files={"/workspace/m.wasm": bytes(wasmtime.wat2wasm(text))})
    assert seen.exit_code == 126
    assert b"not a usable WASI module" in seen.stderr


def test_module_gets_preview1(run_job: RunJob) -> None:
    text = '(module (import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))'
    text += '(memory (export "memory") 1) (func (export "_start")))'
    seen = run_job("./m.wasm", files={"/workspace/m.wasm": bytes(wasmtime.wat2wasm(text))})
    assert seen.exit_code == 0


def test_invalid_modules_are_the_jobs_fault(run_job: RunJob) -> None:
    for content in (b"\0asm", b"\0asm\x01\0\0\0" + os.urandom(4000), b"\0asm\x0d\0\x01\0"):
        seen = run_job("./m.wasm", files={"/workspace/m.wasm": content})
        assert seen.exit_code == 126
        assert seen.ending is Ending.EXITED


def test_read_only_places_stay_so(run_job: RunJob) -> None:
    for probe in (
        "echo x > /bin/sh",
        "rm /bin/sh",
        "mkdir /x",
        "echo x > /dev/x",
        "mv /bin /b",
        "chmod 777 /bin/sh",
        "touch /etc",
        "ln -s /tmp /usr/x",
    ):
        seen = run_job(probe)
        assert seen.exit_code not in (0, None), probe
        assert any(event.kind is EventKind.DENIED for event in seen.events), probe
    assert (
        run_job("echo x > /tmp/sh && chmod 777 /tmp/sh && mv /tmp/sh /tmp/b && rm /tmp/b").exit_code
        == 0
    )
