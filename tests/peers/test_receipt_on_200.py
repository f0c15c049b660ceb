"""With message.receipt_on_200, the 200 of a phone that gives no notifications is a receipt."""

from collections.abc import Callable, Iterator

import pytest

from tests.peers.hosts import Gateway, Program, forget_state, fresh


@pytest.fixture(scope="module")
def generous(lab: None) -> Iterator[Gateway]:
    forget_state()
    with Gateway(environment={"DRAGOMAN_MESSAGE__RECEIPT_ON_200": "true"}) as running:
        yield running
        running.stop()


def test_the_200_of_baresip_is_a_receipt(
    generous: Gateway, chat: Callable[..., Program], baresip: Callable[..., Program]
) -> None:
    name = fresh("carol")
    alice, carol = chat("alice@xmpp.example/lab", "--notify"), baresip(name)
    for text in ("hear me", "hear me again"):
        alice.tell(f"{name}@sip.example {text}")
        carol.says(f'"{text}"')
        sent = [each for each in alice.events() if each["event"] == "sent"][-1]
        alice.hears(event="receipt", of=sent["id"])
    receipts = [each for each in alice.events() if each["event"] == "receipt"]
    assert len(receipts) == 2
