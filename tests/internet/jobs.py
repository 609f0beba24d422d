"""Jobs that use the test internet: in a sandbox of ours, and on a plain bridge beside it."""

from __future__ import annotations

import json
import subprocess
import tempfile
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

from magicrune.backends.oci.engine import OciEngine
from magicrune.backends.rune.backend import ContainerBackend
from magicrune.netrule import NetRule
from magicrune.spec import ContainerSpec, NetLimits
from tests.conftest import make_spec
from tests.internet.addresses import METADATA4, METADATA6, ZONE
from tests.internet.internet import Internet

LANES = ("oci-crun", "oci-runc", "docker", "podman")
_PLAIN_CAPABILITIES = (
    *("CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "NET_RAW", "SETGID", "SETUID", "SETPCAP"),
    *("NET_BIND_SERVICE", "SYS_CHROOT", "KILL"),
)
"""What Docker gives to a container by default, less what no probe here needs."""


def net_spec(
    net: Internet,
    cmd: str,
    *,
    allow: tuple[str, ...] = (),
    loopback: tuple[str, ...] = (),
    limits: NetLimits | None = None,
    resolvers: tuple[str, ...] = (),
    image: str | None = None,
    **options: Any,
) -> ContainerSpec:
    """A spec whose resolver is the internet's; `options` go to `make_spec`."""
    rules = tuple(NetRule.parse(each) for each in allow)
    return replace(
        make_spec(cmd, **options),
        net=rules,
        net_exact=tuple(each for each in rules if each.network and each.network.num_addresses == 1),
        host_loopback=tuple(NetRule.parse(each) for each in loopback),
        net_limits=limits or NetLimits(),
        resolvers=resolvers or (net.addresses.resolver4,),
        image=image,
    )


def names(net: Internet) -> str:
    """Python that gives a probe the addresses of its targets."""
    here = net.addresses
    found: dict[str, Any] = {
        "ZONE": ZONE,
        "WEB": f"web.{ZONE}",
        "WEB4": here.web4,
        "WEB6": here.web6,
        "OTHER": f"other.{ZONE}",
        "OTHER4": here.other4,
        "OTHER6": here.other6,
        "SERVICE4": here.public4(12),
        "INNER4": here.inner4,
        "INNER6": here.inner6,
        "RESOLVER4": here.resolver4,
        "RESOLVER6": here.resolver6,
        "PLAIN4": here.plain4,
        "EXECUTOR4": here.executor4,
        "EXECUTOR6": here.executor6,
        "BROADCAST4": here.public4(255),
        "METADATA4": METADATA4,
        "METADATA6": METADATA6,
        "HOST_PORT": net.host_port,
        "SPECIAL": here.special,
        "SLOT": here.slot,
    }
    return "".join(f"{name} = {value!r}\n" for name, value in found.items())


def run_plain(net: Internet, code: str, *, netns: str | None = "", timeout_s: float = 60) -> str:
    """What `code` prints as root of a plain container: no filter of ours, and an interface on
    the plain bridge (or `netns`; None is this machine's own network)."""
    engine = OciEngine("runc")
    config = engine.words(*ContainerBackend(engine).prepare(make_spec("true")))
    config["process"] |= {
        "args": ["python3", "-c", code],
        "cwd": "/workspace",
        "noNewPrivileges": False,
        "capabilities": {
            key: [f"CAP_{each}" for each in _PLAIN_CAPABILITIES]
            for key in ("bounding", "effective", "permitted")
        },
        "rlimits": [],
    }
    del config["linux"]["seccomp"]
    del config["linux"]["cgroupsPath"]
    spaces = [each for each in config["linux"]["namespaces"] if each["type"] != "network"]
    if netns is not None:
        spaces.append({"type": "network", "path": f"/run/netns/{netns or net.plain}"})
    config["linux"]["namespaces"] = spaces
    config["mounts"] = [each for each in config["mounts"] if each["destination"] != "/sys"]
    config["mounts"] = [m for m in config["mounts"] if not m["destination"].startswith("/sys/")]
    with tempfile.TemporaryDirectory() as place:
        resolv = Path(place) / "resolv.conf"
        resolv.write_text(f"nameserver {net.addresses.resolver4}\n")
        resolv.chmod(0o644)
        config["mounts"].append(
            {
                "destination": "/etc/resolv.conf",
                "type": "bind",
                "source": str(resolv),
                "options": ["bind", "ro"],
            }
        )
        (Path(place) / "config.json").write_text(json.dumps(config))
        words = ["runc", "run", "--bundle", place, f"plain-{uuid.uuid4().hex}"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=timeout_s, check=False)
    return done.stdout + done.stderr
