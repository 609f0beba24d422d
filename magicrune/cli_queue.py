"""What the commands of the queue share: which one, and how it is reached."""

from __future__ import annotations

import click

from magicrune.errors import QueueUnavailable
from magicrune.remedy import get_module
from magicrune.worker.settings import WorkerSettings, table

_WIDTH = 27
ENVIRONMENT = "\b\nEnvironment (docs/worker.md has all, those for tests too):\n" + "\n".join(
    f"  {name:{_WIDTH}} {text}" + (f" [{default}]" if default else "")
    for name, default, text in table()
    if "_TEST_" not in name
)
url_option = click.option(
    "--url",
    metavar="URL",
    help="The NATS server, or several by commas.  [default: NATS_URL, else nats://127.0.0.1:4222]",
)
subject_option = click.option(
    "--subject",
    metavar="SUBJECT",
    help="The queue, run.req.NAME.  [default: NATS_REQ_SUBJ, else run.req.default]",
)


def _need_client() -> None:
    """Raises QueueUnavailable where the extra `worker` was not installed."""
    try:
        import nats  # noqa: F401
    except ImportError as error:
        raise QueueUnavailable(
            f"the NATS client cannot be used: {error}", hint=get_module("nats-py[nkeys]>=2.9,<3")
        ) from error


def settings_of(url: str | None = None, subject: str | None = None) -> WorkerSettings:
    """Raises CliUsage, QueueUnavailable."""
    _need_client()
    return WorkerSettings.from_environment(url=url, subject=subject)
