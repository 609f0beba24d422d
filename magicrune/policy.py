"""The ceiling of what a request can get: policies/NAME.policy.yml → `Policy`."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from pydantic import ValidationError

from magicrune.errors import PolicyInvalid
from magicrune.locations import shipped
from magicrune.plainfile import NotPlain, open_plain
from magicrune.policy_model import Policy, Thresholds
from magicrune.policy_recall import recall, remember
from magicrune.policy_text import MAX_BYTES, Positions, Yaml, read_yaml
from magicrune.shape import Misfit, explain

__all__ = ["DEFAULT_POLICY", "Policy", "Thresholds", "find_policy", "load_policy", "parse_policy"]

DEFAULT_POLICY = "default"
SUFFIX = ".policy.yml"
_POLICY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def find_policy(name_or_path: str | None = None) -> Path:
    """The file of a policy: a path if it has a slash or ends in .yml or .yaml, else the
    shipped policy of that name; None is the shipped ``default``.

    Raises PolicyInvalid for a name that is not shipped. A path is not looked at here.
    """
    name = DEFAULT_POLICY if name_or_path is None else name_or_path
    if "/" in name or name.endswith((".yml", ".yaml")):
        return Path(name)
    known = sorted(
        path.name.removesuffix(SUFFIX) for path in shipped("policies").glob(f"*{SUFFIX}")
    )
    if name not in known:
        import difflib  # here: only mistakes need it

        near = difflib.get_close_matches(name[:64], known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"shipped: {', '.join(known)}"
        raise PolicyInvalid(f"there is no shipped policy {name[:64]!r}", hint=hint)
    return shipped(f"policies/{name}{SUFFIX}")


def wanted_policy(option: str | None) -> Path:
    """The file of the policy that a command is to use: of its ``--policy``, else of
    ``MAGICRUNE_POLICY``, else the default.

    Raises PolicyInvalid as `find_policy` does, and for an empty option: a variable that is
    unset where it was meant to name a stricter policy must not mean the default.
    """
    if option == "":
        raise PolicyInvalid("--policy is empty", hint="name a policy, or leave it out")
    return find_policy(option or os.environ.get("MAGICRUNE_POLICY") or None)


def load_policy(path: Path) -> Policy:
    """The policy in the file `path`.

    Raises PolicyInvalid with ``FILE:LINE:COLUMN`` and a hint.
    """
    try:
        with open_plain(path) as file:
            data = file.read(MAX_BYTES + 1)
    except NotPlain as error:
        raise PolicyInvalid(str(error), where=str(path), hint="name a policy file") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise PolicyInvalid(f"cannot be read: {reason}", where=str(path)) from None
    stem = path.name.removesuffix(".yaml").removesuffix(".yml").removesuffix(".policy")
    digest = hashlib.sha256(data).hexdigest()
    known = recall(digest)
    if known is not None:
        return _build(known, data, policy_id=stem, source=str(path))
    policy = parse_policy(data, policy_id=stem, source=str(path))
    remember(digest, read_yaml(data, source=str(path))[0])
    return policy


def parse_policy(data: bytes, *, policy_id: str, source: str) -> Policy:
    """The policy that `data` (YAML) holds. Raises PolicyInvalid."""
    return _build(read_yaml(data, source=source)[0], data, policy_id=policy_id, source=source)


def _build(value: Yaml, data: bytes, *, policy_id: str, source: str) -> Policy:
    """What `data` says, `value`, as a policy."""
    if not _POLICY_ID.fullmatch(policy_id):
        raise PolicyInvalid(
            f"{policy_id[:64]!r} cannot be a policy's name",
            where=source,
            hint="name the file NAME.policy.yml: letters, digits, . _ -",
        )
    if not isinstance(value, dict):
        raise PolicyInvalid("must be a mapping", where=source, hint="begin with: version: 1")
    try:
        policy = Policy.model_validate(value)
    except ValidationError as error:
        positions = read_yaml(data, source=source)[1]
        raise _invalid(explain(error, Policy), positions, source) from None
    return policy.named(policy_id, hashlib.sha256(data).hexdigest())


def _invalid(misfit: Misfit, positions: Positions, source: str) -> PolicyInvalid:
    loc = misfit.loc
    while loc not in positions:  # a missing key: where its mapping begins
        loc = loc[:-1]
    line, column = positions[loc]
    named = [str(step) for step in misfit.loc if isinstance(step, str)]
    place = ".".join(each[:60] for each in named)
    message = misfit.message if not place else f"{place}: {misfit.message}"
    return PolicyInvalid(message, where=f"{source}:{line}:{column}", hint=misfit.hint)
