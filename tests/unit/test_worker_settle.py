"""Every case of a delivered request, and that the decision is the one for it."""

from __future__ import annotations

import itertools

import pytest

from magicrune.errors import BackendFailed, ControlNotHeld, SandboxLost
from magicrune.worker.claim import Claim, ClaimDamaged, decode, encode
from magicrune.worker.settle import Action, Case, End, settle


def claim(
    state: str = "running", attempt: int = 1, networked: bool = False, repeatable: bool = False
) -> Claim:
    return Claim(state, "t", "w", "r_1", attempt, networked, repeatable)  # type: ignore[arg-type]


NET, AGAIN = claim(networked=True), claim(networked=True, repeatable=True)
BROKE, GONE = BackendFailed("x"), SandboxLost("x")


BEFORE = [
    (Case(), Action.RUN),
    (Case(here=True), Action.LATER),
    (Case(claim=claim("committed"), here=True), Action.LATER),
    (Case(claim=claim("committed")), Action.TELL),
    (Case(claim=claim("committed", networked=True)), Action.TELL),
    (Case(claim=claim("committed", attempt=9)), Action.TELL),
    (Case(claim=claim()), Action.WATCH),
    (Case(claim=claim(networked=True)), Action.WATCH),
    (Case(claim=claim(attempt=9)), Action.WATCH),
    (Case(claim=claim(), silent=False), Action.LATER),
    (Case(claim=claim(), silent=True, attempts_max=2), Action.RUN),
    (Case(claim=claim(attempt=2), silent=True, attempts_max=2), Action.DEAD),
    (Case(claim=claim(networked=True), silent=True, attempts_max=2), Action.UNKNOWN),
    (Case(claim=AGAIN), Action.WATCH),
    (Case(claim=AGAIN, silent=False), Action.LATER),
    (Case(claim=AGAIN, silent=True, attempts_max=2), Action.RUN),
    (Case(claim=claim(attempt=2, networked=True, repeatable=True), silent=True), Action.DEAD),
    (Case(claim=claim("released"), attempts_max=2), Action.RUN),
    (Case(claim=claim("released", attempt=2), attempts_max=2), Action.DEAD),
]
AFTER = [
    (Case(claim=claim(), end=End.RESULT), Action.COMMIT),
    (Case(claim=claim(), end=End.LOST), Action.ABANDON),
    (Case(claim=claim(), end=End.DRAINED), Action.RELEASE),
    (Case(claim=NET, end=End.DRAINED), Action.UNKNOWN),
    (Case(claim=NET, end=End.DRAINED, begun=False), Action.RELEASE),
    (Case(claim=AGAIN, end=End.DRAINED), Action.RELEASE),
    (Case(claim=claim(), end=End.ERROR, error=BROKE), Action.RELEASE),
    (Case(claim=NET, end=End.ERROR, error=BROKE), Action.UNKNOWN),
    (Case(claim=NET, end=End.ERROR, error=GONE), Action.UNKNOWN),
    (Case(claim=claim(), end=End.ERROR, error=GONE), Action.RELEASE),
    (Case(claim=NET, end=End.ERROR, error=BROKE, begun=False), Action.RELEASE),
    (Case(claim=AGAIN, end=End.ERROR, error=BROKE), Action.RELEASE),
    (Case(claim=NET, end=End.ERROR, error=ControlNotHeld("x")), Action.DEAD),
    (Case(claim=NET, end=End.RESULT), Action.COMMIT),
    (Case(claim=NET, end=End.LOST), Action.ABANDON),
    (Case(claim=claim(), end=End.ERROR, error=ControlNotHeld("x")), Action.DEAD),
    (Case(claim=claim(), end=End.ERROR), Action.DEAD),
]


@pytest.mark.parametrize(("case", "action"), BEFORE + AFTER)
def test_each_case(case: Case, action: Action) -> None:
    step = settle(case)
    assert step.action is action
    assert step.reason


def test_nothing_that_may_have_acted_is_given_back() -> None:
    """A run of ours that was let go with a network is never released: that means run again."""
    for end, error in itertools.product(End, (None, BROKE, ControlNotHeld("x"))):
        case = Case(claim=NET, end=end, error=error, begun=True)
        assert settle(case).action is not Action.RELEASE


def test_nothing_that_may_have_acted_is_ever_run_again() -> None:
    """Over all cases: a networked claim leads to a run only where it was given back."""
    states = ("running", "released", "committed")
    for state, silent, here, attempt in itertools.product(
        states, (None, True, False), (True, False), (1, 3)
    ):
        case = Case(claim(state, attempt, networked=True), here, silent, attempts_max=5)
        if settle(case).action is Action.RUN:
            assert state == "released"


def test_a_claim_survives_its_spelling() -> None:
    whole = Claim(
        *("committed", "t", "w", "r_1", 2, True, True, "f", "result"),
        document=b'{"a":\n1}\n',
        revision=7,
    )
    assert decode(encode(whole), 7) == whole


@pytest.mark.parametrize(
    "bad",
    [
        *(b"", b"{}", b"[]", b"null\n", b'{"state":"running"}\nx', b"\xff", b"[" * 100_000),
        encode(claim("other")),
        encode(Claim("running", "t", "w", "r_1", True, False)),
        encode(Claim("running", "t", "w", 7, 1, False)),  # type: ignore[arg-type]
        encode(Claim("running", "t", "w", "r_1", 1, 0)),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_claim_is_an_error(bad: bytes) -> None:
    with pytest.raises(ClaimDamaged) as failed:
        decode(bad, 9)
    assert failed.value.revision == 9
