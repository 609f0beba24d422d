"""Public test suites of other shells, run in the lane and by dash: who passes what.

    python -m tests.shell.public_suites DIRECTORY [--failures] [ONLY]

DIRECTORY holds unpacked sources; what is found there is run (docs/wasi.md says how to get
them): `busybox-*/shell/ash_test` and `mksh*/check.t`. Their licences are theirs, so they are
not in this repository. `--failures` names the cases that dash passes and the lane does not;
ONLY takes the cases whose name has it, and prints what came instead.

busybox compares all output, so a case about an error message passes only where the words
are busybox's own; of mksh's cases stdout and status are compared, and those that
need a terminal, Perl or another program's source are left out.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from magicrune.admission import admit
from magicrune.backends.wasi.backend import WasiBackend
from magicrune.policy import find_policy, load_policy
from magicrune.request import parse_request
from magicrune.spec import plan

SECONDS = 10
HELPERS = {
    "recho": '#!/bin/sh\nn=0\nfor a do n=$((n + 1)); printf "argv[%d] = <%s>\\n" $n "$a"; done\n',
    "zecho": '#!/bin/sh\nprintf "%s\\n" "$*"\n',
}
"""Small programs that busybox's cases call, as the suite describes them."""


@dataclass(frozen=True, slots=True)
class Case:
    """A script of a suite, and what its suite says must come of it."""

    name: str
    command: str
    """Run with the name of the shell in $THIS_SH."""
    files: dict[str, bytes]
    passes: Callable[[bytes, int | None], bool]
    env: dict[str, str] = field(default_factory=dict)


Runner = Callable[[Case], tuple[bytes, int | None]]
"""Gives stdout and the status; None where it did not end by itself."""


def busybox_cases(root: Path) -> Iterator[Case]:
    """`DIR/NAME.tests` with `NAME.right` beside it, as its `run-all` takes them."""
    for script in sorted(root.glob("busybox-*/shell/ash_test/*/*.tests")):
        right = script.with_suffix(".right")
        if not right.exists() or not os.access(script, os.X_OK):
            continue
        beside = [path for path in script.parent.iterdir() if path.is_file()]
        yield Case(
            f"{script.parent.name}/{script.stem}",
            f'"$THIS_SH" ./{script.name} 2>&1',
            {path.name: path.read_bytes() for path in beside if path.suffix != ".right"},
            _wants(right.read_bytes()),
        )


def _wants(wanted: bytes) -> Callable[[bytes, int | None], bool]:
    return lambda stdout, _status: stdout == wanted


def mksh_cases(root: Path) -> Iterator[Case]:
    """Blocks of `tag: value` that end with `---`; values go on behind a tab."""
    for suite in sorted(root.glob("mksh*/check.t")):
        for block in suite.read_text(errors="surrogateescape").split("\n---\n"):
            tags = _tags(block)
            if "name" in tags and not tags.keys() & {"perl-setup", "file-result", "need-ctty"}:
                case = _mksh_case(tags)
                if case is not None and _is_text(case.command):
                    yield case


def _is_text(command: str) -> bool:
    """A request is JSON: its command is Unicode."""
    return not any("\ud800" <= character <= "\udfff" for character in command)


def _tags(block: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    last: list[str] | None = None
    for line in block.split("\n"):
        if line.startswith("\t") and last is not None:
            last[-1] += line[1:] + "\n"
        elif re.match(r"[a-z-]+:", line):
            tag, _, value = line.partition(":")
            last = found.setdefault(tag, [])
            last.append(value.strip() and value.strip() + "\n")
    return found


def _mksh_case(tags: dict[str, list[str]]) -> Case | None:
    categories = ",".join(tags.get("category", [])).strip()
    if any(each and not each.startswith("!") for each in categories.split(",")):
        return None
    name = tags["name"][0].strip()
    setup, files = "", {"-in": _value(tags, "stdin")}
    for entry in tags.get("file-setup", []):
        head, _, content = entry.partition("\n")
        words = re.match(r'!?(\w+) (\d+) "([^"]*)"', head)
        if words is None:
            return None
        kind, mode, path = words.groups()
        if kind == "dir":
            setup += f"mkdir -m {mode} '{path}'; "
        elif kind == "symlink":
            setup += f"ln -s '{content.strip()}' '{path}'; "
        else:
            files[f"-{path.replace('/', '=')}"] = content.encode(errors="surrogateescape")
            setup += f"cat './-{path.replace('/', '=')}' >'{path}'; chmod {mode} '{path}'; "
    arguments = _fields(tags, "arguments")
    if "script" in tags:
        files["-script"] = _value(tags, "script")
        arguments = [*arguments, "./-script"]
    quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in arguments)
    env = dict(pair.split("=", 1) for pair in _fields(tags, "env-setup") if "=" in pair)
    return Case(
        name,
        f'{setup}exec 3<./-in; rm -f ./-*in; "$THIS_SH" {quoted} <&3 3<&-',
        files,
        _expectation(tags),
        env,
    )


def _value(tags: dict[str, list[str]], tag: str) -> bytes:
    text = tags.get(tag, [""])[0]
    if text.startswith("!\n"):
        text = text[2:].removesuffix("\n")
    return text.encode(errors="surrogateescape")


def _fields(tags: dict[str, list[str]], tag: str) -> list[str]:
    text = tags.get(tag, [""])[0].strip("\n")
    return text[1:].rstrip().removesuffix(text[0]).split(text[0]) if text else []


def _expectation(tags: dict[str, list[str]]) -> Callable[[bytes, int | None], bool]:
    wanted = _value(tags, "expected-stdout")
    pattern = _value(tags, "expected-stdout-pattern").strip()
    status = tags.get("expected-exit", ["0"])[0].strip()

    def passes(stdout: bytes, got: int | None) -> bool:
        if got is None:
            return False
        if not (str(got) == status if status.isdigit() else _holds(status, got)):
            return False
        return bool(re.search(pattern[1:-1], stdout)) if pattern else stdout == wanted

    return passes


def _holds(condition: str, status: int) -> bool:
    """`e != 0` and the like; what is written otherwise asks for a signal, or more."""
    found = re.fullmatch(r"e (==|!=|>) (\d+)", condition)
    if found is None:
        return False
    number = int(found[2])
    return {"==": status == number, "!=": status != number, ">": status > number}[found[1]]


def run_dash(case: Case) -> tuple[bytes, int | None]:
    with tempfile.TemporaryDirectory() as directory:
        for name, content in case.files.items():
            path = Path(directory) / name
            path.write_bytes(content)
            path.chmod(0o755)
        tools = Path(directory) / ".tools"
        tools.mkdir()
        (tools / "sh").symlink_to("/bin/dash")
        for name, text in HELPERS.items():
            (tools / name).write_text(text)
            (tools / name).chmod(0o755)
        env = {"PATH": f"{tools}:/usr/bin:/bin", "THIS_SH": "dash", "LC_ALL": "C.UTF-8"}
        try:
            done = subprocess.run(
                ["/bin/dash", "-c", case.command],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                cwd=directory,
                env={**env, "HOME": directory, **case.env},
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return b"", None
        return done.stdout, done.returncode


class LaneRunner:
    """The same cases as jobs of the WASI lane."""

    def __init__(self) -> None:
        self.policy = load_policy(find_policy(None))
        self.backend = WasiBackend()

    def __call__(self, case: Case) -> tuple[bytes, int | None]:
        files = {f"/workspace/{name}": content for name, content in case.files.items()}
        files |= {f"/tmp/.tools/{name}": text.encode() for name, text in HELPERS.items()}
        # In the command, not in `env`: a policy grants only some names.
        given = {"PATH": "/tmp/.tools:/usr/bin:/bin", "THIS_SH": "sh", "HOME": "/workspace"}
        exports = "".join(
            f"export {name}='{value}'; " for name, value in {**given, **case.env}.items()
        )
        body = {
            "cmd": exports + case.command,
            "timeout_sec": SECONDS,
            "files": [
                {"path": path, "content_b64": base64.b64encode(content).decode()}
                for path, content in files.items()
            ],
        }
        request = parse_request(json.dumps(body).encode())
        spec = plan(request, admit(request, self.policy), run_id="r_suite", seed=None)
        seen = self.backend.run(spec)
        return seen.stdout, seen.exit_code


def main(arguments: list[str]) -> int:
    told = "--failures" in arguments
    words = [word for word in arguments if not word.startswith("--")]
    root, only = Path(words[0]), words[1] if len(words) > 1 else ""
    lane = LaneRunner()
    print(f"{'suite':12} {'cases':>6} {'dash':>6} {'lane':>6} {'dash only':>10} {'lane only':>10}")
    for suite, make in {"busybox ash": busybox_cases, "mksh": mksh_cases}.items():
        cases = [case for case in make(root) if only in case.name]
        passed: dict[str, tuple[bool, bool]] = {}
        for case in cases:
            by_dash, by_lane = run_dash(case), lane(case)
            passed[case.name] = case.passes(*by_dash), case.passes(*by_lane)
            if only:
                print(f"{case.name}\n{case.command}\ndash {by_dash}\nlane {by_lane}")
        lost = [name for name, (dash, ours) in passed.items() if dash and not ours]
        won = sum(ours and not dash for dash, ours in passed.values())
        sums = [sum(each) for each in zip(*passed.values(), strict=True)] or [0, 0]
        print(f"{suite:12} {len(cases):6} {sums[0]:6} {sums[1]:6} {len(lost):10} {won:10}")
        if told:
            print("".join(f"  {name}\n" for name in lost), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
