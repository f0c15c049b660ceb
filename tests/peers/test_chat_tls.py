"""Chat sessions over TLS, whose peers look at the name in the path (RFC 4975 §14.4)."""

from collections.abc import Iterator

import pytest

from tests.peers.hosts import Gateway, forget_state
from tests.peers.test_chat_sessions import (
    ALICE,
    SETUPS,
    Chat,
    User,
    msrp,
    pytestmark,
    talk_both_ways,
)

__all__ = ["msrp", "pytestmark"]


@pytest.fixture(scope="module")
def named(lab: None) -> Iterator[Gateway]:
    """A gateway that tells peers a name which its certificate has: they look at that."""
    forget_state()
    with Gateway(environment={"DRAGOMAN_MSRP__ADVERTISE": "gw.lab.example"}) as running:
        yield running
        running.stop()


@SETUPS
@pytest.mark.spec("MSRP-29")
def test_whoever_connects_over_tls(named: Gateway, chat: Chat, msrp: User, setup: str) -> None:
    talk_both_ways(chat(f"{ALICE}/lab"), msrp("--tls", "--setup", setup), setup)
