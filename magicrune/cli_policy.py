"""``magicrune schema``, ``policy check`` and ``completion``: nothing is run."""

from __future__ import annotations

import click

from magicrune.cli_output import COMPLETE_VARIABLE, PROGRAM, write_stdout
from magicrune.errors import OutputFailed


@click.command("schema")
@click.argument("name", type=click.Choice(["request", "result", "policy"]), default="request")
def schema_command(name: str) -> int:
    """Print the JSON schema of a request (default), a result or a policy.

    \b
    Example:
      magicrune schema result > result.schema.json
    """
    from magicrune.locations import shipped

    path = shipped(f"schemas/{name}.schema.json")
    try:
        write_stdout(path.read_bytes())
    except FileNotFoundError as error:
        raise OutputFailed("the schema was not shipped", where=str(path)) from error
    return 0


@click.group("policy")
def policy_group() -> None:
    """Check policy files."""


@policy_group.command("check")
@click.argument("file", metavar="NAME|FILE", type=click.Path())
def check_command(file: str) -> int:
    """Read a policy as `exec` would and say whether it can be used.

    Prints one line; an unusable policy exits 4 and names file, line and what to do.

    \b
    Example:
      magicrune policy check ./policies/default.policy.yml
    """
    from magicrune.policy import find_policy, load_policy

    path = find_policy(file)
    policy = load_policy(path)
    click.echo(f"{path}: ok (policy_id {policy.policy_id}, sha256 {policy.sha256})")
    return 0


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> int:
    """Print completion code for a shell.

    \b
    Examples:
      eval "$(magicrune completion bash)"                 # ~/.bashrc
      eval "$(magicrune completion zsh)"                  # ~/.zshrc
      magicrune completion fish | source                  # config.fish
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise OutputFailed(f"no completion for {shell}")
    completion = kind(
        click.get_current_context().find_root().command, {}, PROGRAM, COMPLETE_VARIABLE
    )
    # Not .source(): that starts the shell to ask for its version.
    click.echo(completion.source_template % completion.source_vars())
    return 0
