"""A result as text for a person. Nothing of the job reaches the terminal unescaped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magicrune.display import escape

if TYPE_CHECKING:
    from magicrune.result_schema import ResultNetwork, SpellResult

_SHOWN_OUTPUT = 64 * 1024
_SHOWN_LINE = 200
_SHOWN_PLACES = 5


def summary(result: SpellResult) -> str:
    """Verdict, why, timings: a few lines."""
    lines = [_headline(result)]
    lines += [f"  {_line(why)}" for why in _reasons(result)]
    if result.network is not None:
        lines.append(f"  network: {_line(_network(result.network))}")
    if result.timings:
        phases = "  ".join(
            f"{name.removesuffix('_ms')} {ms:.1f} ms" for name, ms in result.timings.items()
        )
        lines.append(f"  timings: {_line(phases)}")
    if result.quarantine:
        lines.append(f"  output withheld: magicrune quarantine show {_line(result.run_id)}")
    return "\n".join(lines) + "\n"


def report(result: SpellResult) -> str:
    """The summary, what the job wrote, and its artifacts."""
    parts = [summary(result)]
    parts += [f"  run: {_line(result.run_id)}\n"]
    for name, text, cut in (
        ("stdout", result.stdout, result.stdout_trunc),
        ("stderr", result.stderr, result.stderr_trunc),
    ):
        if text:
            encoding = getattr(result, f"{name}_encoding")
            kind = "" if encoding == "utf-8" else f" ({encoding})"
            parts.append(f"--- {name}{kind}{', cut' if cut else ''} ---\n{_block(text)}")
    for artifact in result.artifacts:
        parts.append(f"artifact: {_line(artifact.path)} ({artifact.size} bytes)\n")
    return "".join(parts)


def _headline(result: SpellResult) -> str:
    how = result.ending.value
    if result.exit_code is not None:
        how += f", exit code {result.exit_code}"
    if not result.executed:
        how += ", not executed"
    took = f"{result.duration_ms:.0f} ms on {_line(result.backend)}"
    return f"{result.verdict}: risk {result.risk_score}/100, {_line(how)}, {took}"


def _reasons(result: SpellResult) -> list[str]:
    found = [f"+{each.points} {each.rule}: {each.evidence}" for each in result.findings]
    if result.error is not None:
        found.insert(0, f"{result.error.code}: {result.error.message}")
    return found


def _network(network: ResultNetwork) -> str:
    """The totals, and where the first connections went."""
    text = (
        f"{network.connections_total} connections ({network.failed} failed), "
        f"{network.refused} refused, {network.sent_bytes} bytes sent, "
        f"{network.received_bytes} received"
    )
    places = dict.fromkeys(
        f"{each.name or each.address} port {each.port}" for each in network.connections
    )
    shown = list(places)[:_SHOWN_PLACES]
    more = [f"{len(places) - len(shown)} more"] if len(places) > len(shown) else []
    return f"{text}: {', '.join((*shown, *more))}" if shown else text


def _line(text: str) -> str:
    return escape(text, limit=_SHOWN_LINE)


def _block(text: str) -> str:
    shown = escape(text, limit=_SHOWN_OUTPUT, keep="\n\t")
    return shown if shown.endswith("\n") else shown + "\n"
