"""The command line: a thin door to the pipeline.

Every way out of the process is decided here: exit codes, error documents, signals,
closed pipes. Commands live in ``cli_*.py`` and are imported only when called.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any, NoReturn

import click

from magicrune.cli_output import COMPLETE_VARIABLE, PROGRAM, error_bytes, write_stdout
from magicrune.errors import CliUsage, MagicRuneError, translate

DEBUG_VARIABLE = "MAGICRUNE_DEBUG"

_COMMANDS = {
    "exec": ("magicrune.cli_exec:exec_command", "Run one request and print its graded result."),
    "schema": ("magicrune.cli_policy:schema_command", "Print a JSON schema."),
    "policy": ("magicrune.cli_policy:policy_group", "Check policy files."),
    "runs": ("magicrune.cli_runs:runs_group", "Look at past runs."),
    "quarantine": (
        "magicrune.cli_quarantine:quarantine_group",
        "Withheld red output: look, release, purge.",
    ),
    "consume": ("magicrune.cli_worker:consume_command", "Run requests from a queue, each once."),
    "publish": ("magicrune.cli_publish:publish_command", "Queue requests."),
    "result": ("magicrune.cli_publish:result_command", "Print the stored answer to a queued run."),
    "images": ("magicrune.cli_images:images_group", "Build, list, remove images for containers."),
    "doctor": ("magicrune.cli_doctor:doctor_command", "Try every sandbox; say what it enforces."),
    "explain": ("magicrune.cli_explain:explain_command", "Show what a request would get."),
    "completion": ("magicrune.cli_policy:completion_command", "Print shell completion code."),
}

_EPILOG = """
\b
Exit codes:
  0 green   10 yellow   20 red (output withheld, in quarantine)
  1 request does not fit its schema   2 result does not fit its schema
  3 policy violation, nothing was run   4 our own failure
  130/143 interrupted
The job's own exit code is `exit_code` in the result.
"""


class _Commands(click.Group):
    """Commands by name, imported when used: `exec` does not pay for the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            import difflib  # here: only mistakes need it

            near = difflib.get_close_matches(cmd_name[:64], _COMMANDS, n=1)
            if near:
                hint = f"did you mean {PROGRAM} {near[0]}?"
                raise CliUsage(f"no such command {cmd_name[:64]!r}", hint=hint)
            return None
        module, _, attribute = _COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


def _print_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from magicrune.version import __version__

    click.echo(f"{PROGRAM} {__version__}")
    ctx.exit()


@click.group(
    name=PROGRAM,
    cls=_Commands,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version and exit.",
)
def magicrune() -> None:
    """Run code that nobody has reviewed: once, locked down, watched, graded.

    \b
    Example:
      echo '{"cmd": "echo hello"}' | magicrune exec -f -
    """


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP; unwinds like Ctrl-C so that the ledger is left consistent."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def run() -> NoReturn:
    """The process: `main`, without the time (about 0.1 s) that the interpreter needs to free
    what the kernel frees anyway. All that matters is closed and written by then."""
    code = main()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the process exit code. Never raises."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    _fill_standard_descriptors()
    try:
        with _terminable():
            code = _dispatch(given)
            write_stdout(b"")
            return code
    except KeyboardInterrupt as stop:
        number = stop.number if isinstance(stop, Terminated) else int(signal.SIGINT)
        _say(f"{PROGRAM}: interrupted ({signal.Signals(number).name})")
        return 128 + number
    except BrokenPipeError:
        _close_stdout()
        return 128 + int(signal.SIGPIPE)
    except MagicRuneError as error:
        return _report(error)
    except click.ClickException as error:
        return _report(_usage_error(error))
    except Exception as error:  # noqa: BLE001 - the last resort: a person never sees a traceback
        return _report(_unexpected(error))


def _fill_standard_descriptors() -> None:
    """Where the caller closed 0, 1 or 2, the next file opened (the ledger) would get that
    number, and a stray message would be written into it."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None:  # print(file=None) would mean stdout
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123 - for the whole process


def _dispatch(arguments: list[str]) -> int:
    if COMPLETE_VARIABLE in os.environ:
        from click.shell_completion import shell_complete

        instruction = os.environ[COMPLETE_VARIABLE]
        return shell_complete(magicrune, {}, PROGRAM, COMPLETE_VARIABLE, instruction)
    try:
        with magicrune.make_context(PROGRAM, arguments) as context:
            answer: Any = magicrune.invoke(context)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.exceptions.NoArgsIsHelpError as nothing:
        click.echo(nothing.ctx.get_help() if nothing.ctx else "", err=True)
        path = nothing.ctx.command_path if nothing.ctx else PROGRAM
        raise CliUsage("a command is missing", hint=f"{path} --help") from nothing
    return answer if isinstance(answer, int) else 0


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM and SIGHUP unwind the stack instead of ending the process on the spot."""

    kept: dict[int, Any] = {}

    def stop(number: int, _frame: FrameType | None) -> None:
        for each in kept:  # one is enough: a second must not disturb the unwinding
            signal.signal(each, signal.SIG_IGN)
        raise Terminated(number)

    # Only the main thread may set handlers (a test may call main() from another one), and a
    # signal that the caller ignores (nohup) stays ignored.
    with contextlib.suppress(ValueError):
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                kept[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for each, handler in kept.items():
            signal.signal(each, handler)


def _usage_error(error: click.ClickException) -> CliUsage:
    context = getattr(error, "ctx", None)
    path = context.command_path if context else PROGRAM
    return CliUsage(error.format_message(), hint=f"{path} --help")


def _unexpected(error: Exception) -> MagicRuneError:
    if os.environ.get(DEBUG_VARIABLE) == "1":
        import traceback

        traceback.print_exc()
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    code = last.tb_frame.f_code if last else None
    place = f"{code.co_qualname}:{last.tb_lineno}" if code and last else ""
    return translate(
        error,
        where=place,
        hint=f"this is a defect of MagicRune; {DEBUG_VARIABLE}=1 shows the traceback",
    )


def _report(error: MagicRuneError) -> int:
    """The error as one JSON document on stdout and one line on stderr."""
    _say(f"{PROGRAM}: {error.code}: {error}")
    try:
        write_stdout(error_bytes(error))
    except (MagicRuneError, OSError):
        _close_stdout()
    return error.exit_code


def _say(line: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)


def _close_stdout() -> None:
    """What is left in the buffer must not fail once more when the interpreter ends."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
