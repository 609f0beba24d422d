"""``magicrune images``: build, list and remove root filesystems for container backends."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click

from magicrune.cli_output import PROGRAM, write_stdout

if TYPE_CHECKING:
    from magicrune.errors import ImageDamaged
    from magicrune.images.record import Installed

_as_json = click.option("--json", "as_json", is_flag=True, help="One JSON document.")


@click.group("images")
def images_group() -> None:
    """Build, list and remove the root filesystems that container backends run jobs in."""


@images_group.command("build")
@click.argument("names", metavar="[base|python|net]...", nargs=-1)
@_as_json
def build_images(names: tuple[str, ...], as_json: bool) -> int:
    """Build images (all of them where none is named) from Debian packages.

    \b
    Needs mmdebstrap, a Debian mirror, and root or a range of ids in /etc/subuid.
    """
    from magicrune.images.build import NAMES, build

    rows = []
    for name in dict.fromkeys(names or NAMES):
        click.echo(f"{PROGRAM}: building {name}", err=True)
        rows.append(_row(build(name, _say_waiting), current=True))
    return _print(rows, as_json)


@images_group.command("list")
@_as_json
@click.option("--verify", is_flag=True, help="Hash each layer, compare each tree with it.")
def list_images(as_json: bool, verify: bool) -> int:
    """List the images in the store; exit code 4 where one is damaged."""
    from magicrune.errors import ImageDamaged
    from magicrune.images import store

    rows: list[dict[str, Any]] = []

    def damaged(digest: str, error: ImageDamaged) -> None:
        rows.append({"name": None, "digest": digest, "state": "damaged", "error": str(error)})

    current = store.all_current()
    for record in store.installed(damaged):
        row = _row(record, current=current.get(record.image.name) == record.image.digest)
        if verify:
            row["state"] = "verified"
            try:
                store.verify(record)
            except ImageDamaged as error:
                row |= {"state": "damaged", "error": str(error)}
        rows.append(row)
    _print(rows, as_json)
    return ImageDamaged.exit_code if any(row["state"] == "damaged" for row in rows) else 0


@images_group.command("remove")
@click.argument("names", metavar="[NAME|DIGEST]...", nargs=-1)
@click.option("--unused", is_flag=True, help="All that are not the current one of their name.")
@_as_json
def remove_images(names: tuple[str, ...], unused: bool, as_json: bool) -> int:
    """Remove images from the store: all of a NAME, the one of a DIGEST (or its first 8 digits).

    \b
    A damaged image has no name: it goes by its digest, or with --unused. Containers that
    are running from an image break.
    Examples:
      magicrune images remove net
      magicrune images remove --unused
    """
    from magicrune.errors import CliUsage
    from magicrune.images.remove import remove

    if not names and not unused:
        raise CliUsage("name an image, or --unused", hint="magicrune images list")
    removed = remove(names, unused=unused, on_wait=_say_waiting)
    rows = [{"name": each.name, "digest": each.digest, "state": "removed"} for each in removed]
    if not rows and not as_json:
        write_stdout(b"nothing to remove\n")
        return 0
    return _print(rows, as_json)


def _row(record: Installed, *, current: bool) -> dict[str, Any]:
    return {
        "name": record.image.name,
        "digest": record.image.digest,
        "size": record.size,
        "arch": record.arch,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
        "current": current,
        "packages": {each.name: each.version for each in record.packages},
        "rootfs": str(record.image.rootfs),
        "state": "stored",
    }


def _print(rows: list[dict[str, Any]], as_json: bool) -> int:
    from magicrune.display import escape

    if as_json:
        write_stdout(json.dumps(rows).encode() + b"\n")
        return 0
    lines = [f"{'NAME':<8}  {'DIGEST':<71}  {'SIZE':>9}  {'CURRENT':<7}  STATE"]
    for row in rows:
        size = f"{row['size'] / 1e6:.1f} MB" if "size" in row else "-"
        current = "current" if row.get("current") else ""
        state = f"{row['state']} {row.get('error', '')}".rstrip()
        lines.append(f"{row['name'] or '-':<8}  {row['digest']}  {size:>9}  {current:<7}  {state}")
    write_stdout("".join(escape(line, limit=600) + "\n" for line in lines).encode())
    return 0


def _say_waiting() -> None:
    click.echo(f"{PROGRAM}: another build is running; waiting", err=True)
