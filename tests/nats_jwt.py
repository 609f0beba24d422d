"""An operator with accounts and users, as `nsc` would make them: JWTs signed with nkeys."""

from __future__ import annotations

import base64
import json
import os
import time
from typing import Any

import nkeys


class Holder:
    """Somebody with a key pair."""

    def __init__(self, kind: int) -> None:
        self.seed = nkeys.encode_seed(os.urandom(32), kind)
        self._pair = nkeys.from_seed(bytearray(self.seed))
        self.public = self._pair.public_key.decode()

    def vouch(self, subject: Holder, name: str, claims: dict[str, Any]) -> str:
        """A JWT of ours for `subject`."""
        body = {
            "iat": int(time.time()),
            "iss": self.public,
            "jti": os.urandom(16).hex(),
            "name": name,
            "nats": {"version": 2, **claims},
            "sub": subject.public,
        }
        parts = ({"typ": "JWT", "alg": "ed25519-nkey"}, body)
        signed = ".".join(_coded(json.dumps(part).encode()) for part in parts)
        return f"{signed}.{_coded(self._pair.sign(signed.encode()))}"


def _coded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Realm:
    """An operator, its system account, and one account that may use JetStream."""

    def __init__(self) -> None:
        self._operator = Holder(nkeys.PREFIX_BYTE_OPERATOR)
        self._account = Holder(nkeys.PREFIX_BYTE_ACCOUNT)
        system = Holder(nkeys.PREFIX_BYTE_ACCOUNT)
        free = dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), -1)
        room = dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), -1)
        accounts = {
            self._account.public: self._operator.vouch(
                self._account, "jobs", {"type": "account", "limits": free | room}
            ),
            system.public: self._operator.vouch(system, "SYS", {"type": "account", "limits": free}),
        }
        operator = self._operator.vouch(self._operator, "us", {"type": "operator"})
        listed = "\n".join(f"{name}: {jwt}" for name, jwt in accounts.items())
        self.config = (
            f"operator: {operator}\nsystem_account: {system.public}\n"
            f"resolver: MEMORY\nresolver_preload: {{\n{listed}\n}}\n"
        )

    def credentials(self, *, by_stranger: bool = False) -> str:
        """A .creds file of a new user, who may do everything in the account."""
        user = Holder(nkeys.PREFIX_BYTE_USER)
        account = Holder(nkeys.PREFIX_BYTE_ACCOUNT) if by_stranger else self._account
        jwt = account.vouch(user, "worker", {"type": "user", "subs": -1, "data": -1, "payload": -1})
        parts = (("NATS USER JWT", jwt), ("USER NKEY SEED", user.seed.decode()))
        return "\n".join(
            f"-----BEGIN {name}-----\n{text}\n------END {name}------\n" for name, text in parts
        )
