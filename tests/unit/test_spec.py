"""magicrune.spec: plan() makes the same sandbox from the same request, grant and seed."""

from __future__ import annotations

import base64
import json

import pytest

from magicrune.admission import admit
from magicrune.policy import find_policy, load_policy
from magicrune.request import parse_request
from magicrune.spec import FIXED_ENV, ContainerSpec, Mount, plan

POLICY = load_policy(find_policy())


def planned(seed: int | None = None, **keys: object) -> ContainerSpec:
    request = parse_request(json.dumps({"cmd": "echo hi", **keys}).encode())
    return plan(request, admit(request, POLICY), run_id="r_1", seed=seed)


def test_what_the_job_runs():
    content = base64.b64encode(b"\0x").decode()
    spec = planned(stdin="é", files=[{"path": "/tmp/a", "content_b64": content}])
    assert spec.argv == ("sh", "-c", "echo hi")
    assert spec.stdin == "é".encode()
    assert [(file.path, file.content) for file in spec.files] == [("/tmp/a", b"\0x")]
    assert spec.mounts == (Mount("/tmp"), Mount("/workspace"))
    assert (spec.cwd, spec.run_id, spec.net, spec.image) == ("/workspace", "r_1", (), "python")
    assert (spec.uid, spec.gid, spec.hostname) == (65534, 65534, "magicrune")


def test_the_environment_is_ours_and_the_granted_one_and_nothing_else():
    env = dict(planned(seed=5, env={"APP": "x"}).env)
    assert env == {
        **dict(FIXED_ENV),
        "APP": "x",
        "MAGICRUNE_RUN_ID": "r_1",
        "MAGICRUNE_SEED": "5",
        "PYTHONHASHSEED": "5",
    }


def test_the_environment_has_an_order(monkeypatch):
    monkeypatch.setenv("LEAK", "1")
    names = [name for name, _ in planned(env={"Z": "", "A": ""}).env]
    assert names == sorted(names)
    assert "LEAK" not in names


@pytest.mark.parametrize(
    ("seed", "shown", "hash_seed"),
    [(None, "0", "0"), (0, "0", "0"), (2**32 + 3, "4294967299", "3")],
)
def test_seeds(seed, shown, hash_seed):
    spec = planned(seed=seed)
    env = dict(spec.env)
    assert (env["MAGICRUNE_SEED"], env["PYTHONHASHSEED"]) == (shown, hash_seed)
    assert spec.seed == seed


def test_the_same_again():
    assert planned(seed=1, env={"A": "1"}) == planned(seed=1, env={"A": "1"})


@pytest.mark.parametrize(
    ("allow_fs", "cwd"),
    [([], "/workspace"), (["/tmp"], "/tmp"), (["/tmp/a", "/workspace/b"], "/tmp/a")],
)
def test_the_working_directory_is_one_that_exists(allow_fs, cwd):
    spec = planned(allow_fs=allow_fs)
    assert spec.cwd == cwd
    assert cwd in [mount.path for mount in spec.mounts]
