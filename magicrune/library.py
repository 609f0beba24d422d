"""MagicRune for Python programs: one request in, one graded result out (docs/usage.md).

The same door as ``magicrune exec``: the same policies, ledger, quarantine and errors. Importing
this costs next to nothing; what a run needs is imported by the first one.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from magicrune.errors import MagicRuneError, RequestInvalid

if TYPE_CHECKING:
    from magicrune.cancellation import Cancellation
    from magicrune.request import SpellRequest
    from magicrune.result import SpellResult as Result

__all__ = ["MagicRuneError", "Result", "artifacts", "run"]


def run(
    request: Mapping[str, object] | Path,
    *,
    policy: str | Path | None = None,
    backend: str = "auto",
    strict: bool = False,
    seed: int | None = None,
    timeout_sec: int | None = None,
    cancellation: Cancellation | None = None,
) -> Result:
    """Runs a request once in a fresh sandbox.

    `request` is what a request file holds, or the file. `policy` is the name of a shipped
    policy or a file; None: that of ``MAGICRUNE_POLICY``, else ``default``. `backend`, `strict`,
    `seed` and `timeout_sec` (1 to 60 seconds) are as for ``magicrune exec``. Another thread may
    end the run by `cancellation`.

    A refusal by the policy is a result too: red, not executed, with its `error`. Raises a
    MagicRuneError where the request is not valid (RequestInvalid) or we failed; its `code`
    says how, `hint` what to do.
    """
    from magicrune.backends.select import choose
    from magicrune.pipeline import execute_here, needs_network
    from magicrune.policy import load_policy, wanted_policy

    asked = _read(request, strict)
    _check_timeout(timeout_sec)
    rules = load_policy(policy if isinstance(policy, Path) else wanted_policy(policy))
    network = needs_network(asked, rules)
    choice = choose(
        backend,
        rules.runtime.backends,
        strict=strict,
        network=network,
        oci_runtime=rules.runtime.oci_runtime,
    )
    return execute_here(
        asked, rules, choice, seed=seed, timeout_sec=timeout_sec, cancellation=cancellation
    )


def artifacts(result: Result) -> dict[str, bytes]:
    """The files that the job left, by their path below ``/workspace/out``, as far as the result
    carries their content.

    Empty for a red result: its files are in quarantine.
    """
    return {
        each.path: base64.b64decode(each.content_b64)
        for each in result.artifacts
        if each.content_b64 is not None
    }


def _read(request: Mapping[str, object] | Path, strict: bool) -> SpellRequest:
    from magicrune.request import parse_request
    from magicrune.strictjson import read_limited

    if isinstance(request, Path):
        return parse_request(read_limited(request), strict=strict, source=str(request))
    if not isinstance(request, Mapping):
        raise RequestInvalid("must be a mapping or a Path", where="request")
    try:
        data = json.dumps(dict(request)).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise RequestInvalid(f"is not JSON: {error}", where="request") from error
    return parse_request(data, strict=strict)


def _check_timeout(timeout_sec: int | None) -> None:
    if timeout_sec is not None and not 1 <= timeout_sec <= 60:
        raise RequestInvalid("must be 1 to 60 seconds", where="timeout_sec")


def __getattr__(name: str) -> object:
    """`Result` for whoever asks at run time: its module takes long to import."""
    if name == "Result":
        from magicrune.result import SpellResult

        return SpellResult
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
