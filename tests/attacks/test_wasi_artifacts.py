"""What a job can and cannot make us take for an artifact."""

from __future__ import annotations

import pytest

from tests.conftest import RunJob


def test_regular_files_come_back(run_job: RunJob) -> None:
    seen = run_job("mkdir -p out/d && echo a > out/f && echo b > out/d/g")
    assert [(a.path, a.content) for a in seen.artifacts] == [("d/g", b"b\n"), ("f", b"a\n")]
    assert seen.artifacts_skipped == ()


def test_links_are_told_and_not_followed(run_job: RunJob) -> None:
    seen = run_job("mkdir out && echo a > /tmp/f && ln -s /tmp/f out/l && ln -s / out/root")
    assert seen.artifacts == ()
    assert {path for path, _ in seen.artifacts_skipped} == {"l", "root"}


@pytest.mark.parametrize("make", ["ln -s /tmp out", "echo x > out"])
def test_the_directory_itself_is_no_link(make: str, run_job: RunJob) -> None:
    seen = run_job(f"echo a > /tmp/f; {make}")
    assert seen.artifacts == ()
    assert len(seen.artifacts_skipped) == 1


def test_content_is_bounded(run_job: RunJob) -> None:
    seen = run_job("mkdir out && head -c 900 /dev/zero > out/a && head -c 900 /dev/zero > out/b",
                   artifact_bytes=1000)  # fmt: skip
    assert [(a.path, a.size, a.content is None) for a in seen.artifacts] == [
        ("a", 900, False),
        ("b", 900, True),
    ]
