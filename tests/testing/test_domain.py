"""The scripted XMPP domain: its answers, and two of them over TLS on real sockets."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from xml.etree.ElementTree import Element

import pytest

from dragoman.errors import LocalError
from dragoman.testing.credentials import Credentials, self_signed
from dragoman.testing.domain import Domain, answers
from dragoman.testing.s2s import Outgoing
from dragoman.testing.stream import (
    PING,
    SERVER,
    Reader,
    body_of,
    condition_of,
    header,
    message,
)

PING_IQ = "<iq type='{}' id='1' from='a.test' to='{}'><{} xmlns='{}'/></iq>"


def stanza(xml: str) -> Element:
    _, found = Reader().feed((header(SERVER) + xml).encode())
    assert isinstance(found, Element)
    return found


def iq(kind: str, to: str, name: str = "ping", namespace: str = PING) -> str:
    return PING_IQ.format(kind, to, name, namespace)


@pytest.mark.parametrize(
    ("xml", "word"),
    [
        (message("r@a.test", "nobody@b.test/x", "hi", stanza_id="1"), "service-unavailable"),
        (message("r@a.test", "stranger@b.test", "hi", stanza_id="1"), "item-not-found"),
        (message("r@a.test", "juliet@b.test", "hi", stanza_id="1"), ""),
        (message("r@a.test", "nobody@b.test", "hi", stanza_id="1", kind="error"), ""),
        (iq("get", "b.test"), "type='result'"),
        (iq("get", "b.test", "query", "jabber:iq:version"), "service-unavailable"),
        (iq("get", "juliet@b.test"), "service-unavailable"),
        (iq("set", "b.test"), "service-unavailable"),
        (iq("result", "b.test"), ""),
        (iq("error", "b.test"), ""),
    ],
)
def test_answers(xml: str, word: str) -> None:
    users = {"nobody": "service-unavailable", "juliet": None}
    found = answers(stanza(xml), "b.test", users, "item-not-found")
    assert len(found) == bool(word)
    assert all(word in answer and "id='1'" in answer.replace('"', "'") for answer in found)


class Two:
    """Domains a.test and b.test, each told where the other is."""

    def __init__(self) -> None:
        self.made: list[Domain] = []

    async def start(
        self, *, trust: bytes = b"", keys: tuple[Credentials, Credentials] | None = None, **b: Any
    ) -> tuple[Domain, Domain]:
        mine, theirs = keys or (self_signed("a.test"), self_signed("b.test"))
        first = await Domain.start("a.test", host="127.0.0.1", credentials=mine, trust=trust)
        self.made.append(first)
        second = await Domain.start(
            "b.test", gateway=first.address, credentials=theirs, trust=trust, **b
        )
        self.made.append(second)
        first.gateway = second.address
        return first, second


@pytest.fixture
async def two() -> AsyncIterator[Two]:
    domains = Two()
    yield domains
    for domain in domains.made:
        await domain.aclose()


@pytest.mark.parametrize("verify", [True, False])
async def test_messages_cross_both_ways_by_dialback(two: Two, verify: bool) -> None:
    first, second = await two.start(verify=verify)
    for number in range(3):
        first.message("romeo@a.test/x", "juliet@b.test", f"to {number} ♥")
    assert [body_of(await second.next_stanza()) for _ in range(3)] == [
        f"to {number} ♥" for number in range(3)
    ]
    second.message("juliet@b.test", "romeo@a.test", "fro")
    assert body_of(await first.next_stanza()) == "fro"
    assert len(first.streams_in) == len(second.streams_in) == 1


async def test_bounce_then_fence_in_order(two: Two) -> None:
    first, _ = await two.start()
    first.message("romeo@a.test", "nobody@b.test", "hi", stanza_id="m1")
    first.send(
        f"<iq type='get' id='f1' from='a.test' to='b.test'><ping xmlns='{PING}'/></iq>", "b.test"
    )
    bounce = await first.next_stanza()
    assert (bounce.get("id"), condition_of(bounce)) == ("m1", "service-unavailable")
    fence = await first.next_stanza()
    assert (fence.get("id"), fence.get("type")) == ("f1", "result")


async def test_external_with_a_trusted_certificate(two: Two) -> None:
    keys = self_signed("a.test"), self_signed("b.test")
    trust = b"".join(made.certificate for made in keys)
    first, second = await two.start(trust=trust, keys=keys)
    first.message("romeo@a.test", "juliet@b.test", "hi")
    assert body_of(await second.next_stanza()) == "hi"
    # Dialback would have left a key behind.
    assert first.keys._made == {}


async def test_an_untrusted_certificate_ends_the_handshake(two: Two) -> None:
    first, second = await two.start(trust=self_signed("c.test").certificate)
    first.message("romeo@a.test", "juliet@b.test", "hi")
    assert await first.next_end() == "connection closed"
    assert second.received == []


async def test_a_key_that_its_maker_does_not_know_is_refused(two: Two) -> None:
    first, second = await two.start()
    third = await Domain.start("a.test", host="127.0.0.3", gateway=second.address)
    two.made.append(third)
    third.message("mallory@a.test", "juliet@b.test", "I am a.test")
    assert await third.next_end() == "dialback invalid"
    assert first.received == second.received == []


async def test_a_refused_port_ends_the_stream(two: Two) -> None:
    first, second = await two.start()
    await second.aclose()
    first.message("romeo@a.test", "juliet@b.test", "hi")
    assert await first.next_end() == "connection closed"
    assert first.streams_out == {}


async def test_a_key_is_refused_where_its_maker_cannot_be_asked(two: Two) -> None:
    first, second = await two.start()
    second.gateway = ("127.0.0.1", 1)
    first.message("romeo@a.test", "juliet@b.test", "hi")
    assert await first.next_end() == "dialback invalid"


async def test_a_domain_without_gateway_cannot_send(two: Two) -> None:
    first, _ = await two.start()
    first.gateway = None
    with pytest.raises(LocalError):
        first.message("romeo@a.test", "juliet@b.test", "hi")


async def test_a_verdict_for_a_connection_that_is_gone_is_not_written() -> None:
    """TLS of asyncio fails at what is written when the connection is lost."""

    class Gone(asyncio.Transport):
        def write(self, data: bytes | bytearray | memoryview) -> None:
            raise AssertionError(data)

    domain = await Domain.start("b.test")
    connection = domain.connection(Outgoing("b.test", "a.test", domain.keys))
    connection._transport = Gone()
    connection.connection_lost(None)
    connection.core.write("<db:result/>")
    connection.pump()
    await domain.aclose()
