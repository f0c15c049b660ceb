"""The scripted host of a component, in memory and on a socket."""

import asyncio
import hashlib

import pytest

from dragoman.testing.component import ComponentHost, HostCore
from dragoman.testing.stream import COMPONENT, body_of, header, message


def opened(to: str = "gw.test", namespace: str = COMPONENT) -> HostCore:
    core = HostCore("gw.test", "secret", "id1")
    core.receive(header(namespace, to=to).encode())
    return core


def handshake(text: str = "id1secret") -> bytes:
    digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    return f"<handshake>{digest}</handshake>".encode()


def test_the_handshake_of_xep_0114() -> None:
    core = opened()
    assert 'id="id1"' in core.to_send().decode()
    core.receive(handshake())
    assert (core.ready, core.to_send()) == (True, b"<handshake/>")
    core.receive(message("a@gw.test", "b@x.test", "hi", stanza_id="1").encode())
    assert [body_of(stanza) for stanza in core.stanzas] == ["hi"]


@pytest.mark.parametrize(
    ("core", "data", "condition"),
    [
        (opened("other.test"), b"", "host-unknown"),
        (opened(namespace="jabber:client"), b"", "invalid-namespace"),
        (opened(), handshake("id1guess"), "not-authorized"),
        (opened(), b"<message/>", "not-authorized"),
        (opened(), b"<a></b>", "not-well-formed"),
    ],
)
def test_refusals(core: HostCore, data: bytes, condition: str) -> None:
    core.receive(data)
    assert f"<{condition} " in core.to_send().decode()
    assert (core.over, core.ready, core.stanzas) == (True, False, [])


async def test_a_component_over_a_socket() -> None:
    host = await ComponentHost.start("gw.test", "secret")
    reader, writer = await asyncio.open_connection(*host.address)
    try:
        writer.write(header(COMPONENT, to="gw.test").encode())
        start = await reader.readuntil(b'from="gw.test" id=') + await reader.readuntil(b">")
        stream_id = start.decode().rpartition("id=")[2].split('"')[1]
        writer.write(handshake(stream_id + "secret"))
        await host.attached()
        writer.write(message("a@gw.test", "b@x.test", "hi", stanza_id="1").encode())
        assert body_of(await host.next_stanza()) == "hi"
        host.send(message("b@x.test", "a@gw.test", "ho", stanza_id="2"))
        assert b"<body>ho</body>" in await reader.readuntil(b"</message>")
    finally:
        writer.close()
        await host.aclose()
