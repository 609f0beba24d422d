"""``magicrune explain``: what a request would get, on one screen or in full."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from magicrune.cli_output import write_stdout
from magicrune.display import escape

_WIDTH = 12
_LINE_MAX = 160
_SHOWN = 4
_MEGABYTE = 1 << 20
_EPILOG = """
\b
Examples:
  magicrune explain -f samples/ok.json
  magicrune explain -f samples/ok.json --policy container --full
  magicrune explain -f samples/ok.json --json | python3 -m json.tool
"""


@click.command("explain", epilog=_EPILOG)
@click.option("-f", "--file", "source", required=True, metavar="FILE|-", help="The request.")
@click.option(
    "--policy",
    metavar="NAME|FILE",
    help="A shipped policy's name, or a file.  [default: MAGICRUNE_POLICY, else default]",
)
@click.option(
    "--backend",
    default="auto",
    show_default=True,
    metavar="NAME",
    help="wasi, oci, podman, docker; auto is the first of the policy's that works here.",
)
@click.option(
    "--full",
    is_flag=True,
    help="Also the line of the policy that each control is from, and the engine's own words.",
)
@click.option("--json", "as_json", is_flag=True, help="All of it as one JSON document.")
def explain_command(
    source: str, policy: str | None, backend: str, full: bool, as_json: bool
) -> int:
    """Print what a request would get: sandbox, limits, network, and what grants it.

    Runs nothing. A request that the policy refuses ends with 3 and the line that would allow it.
    """
    from magicrune.backends.select import choose
    from magicrune.explain import explain
    from magicrune.pipeline import needs_network
    from magicrune.policy import load_policy, wanted_policy
    from magicrune.request import parse_request
    from magicrune.strictjson import read_limited

    path = wanted_policy(policy)
    data = read_limited(sys.stdin.buffer if source == "-" else source)
    request = parse_request(data, source="stdin" if source == "-" else source)
    rules = load_policy(path)
    choice = choose(
        backend,
        rules.runtime.backends,
        network=needs_network(request, rules),
        oci_runtime=rules.runtime.oci_runtime,
    )
    document = explain(request, path, choice)
    if as_json:
        write_stdout(json.dumps(document, indent=2).encode() + b"\n")
        return 0
    lines = [*_summary(document, path), *(_rest(document) if full else _HINT)]
    write_stdout("".join(f"{line}\n" for line in lines).encode())
    return 0


_HINT = ("", "--full shows each control's line in the policy, and the engine's own words.")


def _summary(told: Mapping[str, Any], policy: Path) -> list[str]:
    """One screen: who, what, limits, network, backend."""
    limits = told["limits"]
    files = told["files"]
    size = sum(each["size"] for each in files)
    rows = [
        ("command", told["argv"][-1]),
        ("run", f"{told['run_id']}, seed {_or_none(told['seed'])}, in {told['cwd']}"),
        ("policy", f"{told['policy_id']} ({policy})"),
        ("backend", _backend(told)),
        *(("not used", each) for each in told["passed_over"]),
        ("input", f"{told['stdin_bytes']} bytes of stdin, {len(files)} files of {size} bytes"),
        ("environment", _some(told["env"])),
        *((_rights(each), each["path"]) for each in told["mounts"]),
        ("time", f"{limits['wall_ms'] / 1000:g} s, {limits['cpu_ms'] / 1000:g} s of processor"),
        ("memory", f"{limits['memory_bytes'] / _MEGABYTE:g} MiB"),
        ("processes", f"{limits['pids']}, {limits['open_files']} open files each"),
        ("disk", f"{limits['tmp_bytes'] / _MEGABYTE:g} MiB, {limits['files']} files"),
        ("output", f"{limits['output_bytes']} bytes, artifacts {limits['artifact_bytes']} bytes"),
        *_network(told),
    ]
    return [_row(name, value) for name, value in rows]


def _backend(told: Mapping[str, Any]) -> str:
    if told["engine_words"] is None:
        return str(told["backend"])
    digest = f" {told['image_digest']}" if told["image_digest"] else ""
    return f"{told['backend']}, image {told['image']}{digest}, seccomp {told['seccomp']}"


def _network(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    if not told["network"]:
        return [("network", "none")]
    return [
        ("network", f"{each['entry']}  granted by {', '.join(each['lines'])}")
        for each in told["network"]
    ]


def _rest(told: Mapping[str, Any]) -> list[str]:
    lines = ["", "Each control, and the line of the policy that it is from:"]
    width = max(map(len, told["sources"]))
    lines += [
        escape(f"  {control:{width}}  {place}", limit=_LINE_MAX)
        for control, place in told["sources"].items()
    ]
    lines += ["", f"What {told['backend']} is told:"]
    words = told["engine_words"]
    if words is None:
        return [*lines, "  nothing: the sandbox is made in this process (docs/wasi.md)"]
    shown = json.dumps(words, indent=2).splitlines()
    return [*lines, *(f"  {escape(line, limit=4 * _LINE_MAX)}" for line in shown)]


def _rights(mount: Mapping[str, Any]) -> str:
    return "writable" if mount["writable"] else "read-only"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown or "none"


def _or_none(value: object) -> object:
    return "none" if value is None else value


def _row(name: str, value: str) -> str:
    return f"{name:{_WIDTH}} {escape(value, limit=_LINE_MAX)}"
