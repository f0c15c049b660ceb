"""A gateway listens for MSRP, has sessions of its own only, and closes all of it in the end."""

import asyncio
from pathlib import Path

import pytest

from dragoman.app.config import Media, Msrp
from dragoman.app.msrp import dials
from dragoman.msrp import Meeting, Terms, Transport
from dragoman.msrp import Path as Road
from tests.house import build, configuration, tear_down

ALICE = "msrp://alicepc.example.com:7777/iau39soe2843z;tcp"
WITHIN = 10.0


def bind(to: object) -> bytes:
    """Return the SEND by which who connects takes his session."""
    lines = ["MSRP a786hjs2 SEND", f"To-Path: {to}", f"From-Path: {ALICE}", "Message-ID: 87652491"]
    return "\r\n".join([*lines, "Byte-Range: 1-0/0", "-------a786hjs2$\r\n"]).encode()


async def test_sessions_of_ours_and_no_others(tmp_path: Path) -> None:
    msrp = Msrp(listen=["tcp:127.0.0.1:0", "tls:127.0.0.1:0"], advertise="gw.example.com")
    settings = configuration(tmp_path).model_copy(update={"msrp": msrp})
    house = await build(tmp_path, settings=settings)
    sockets = house.gateway.msrp
    assert sockets is not None
    session = sockets.endpoint.prepare(Terms(), Transport.TCP)
    port = session.uri.port
    assert str(session.uri).startswith(f"msrp://gw.example.com:{port}/")
    now = asyncio.get_running_loop().time()
    session.start(Road.parse(ALICE), Terms(), Meeting(active=False), now)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for to, status in ((f"msrp://gw.example.com:{port}/made0up0by0somebody;tcp", b"481"),
                       (session.uri, b"200")):  # fmt: skip
        writer.write(bind(to))
        answer = await asyncio.wait_for(reader.readuntil(b"-------a786hjs2$\r\n"), WITHIN)
        assert answer.startswith(b"MSRP a786hjs2 " + status)
    await tear_down(house)
    assert await asyncio.wait_for(reader.read(), WITHIN) == b""
    writer.close()
    with pytest.raises(OSError, match=r"(?i)connect"):
        await asyncio.open_connection("127.0.0.1", port)


async def test_without_a_place_there_are_no_sessions(tmp_path: Path) -> None:
    settings = configuration(tmp_path).model_copy(
        update={"msrp": Msrp(listen=[]), "media": Media(plane="none")}
    )
    house = await build(tmp_path, settings=settings)
    assert house.gateway.msrp is None
    assert "INVITE" not in house.gateway.hub.abilities.allow
    await tear_down(house)


@pytest.mark.parametrize(
    ("ours", "theirs", "dialled"),
    [
        ("8.8.8.8", "9.9.9.9", True),
        ("8.8.8.8", "127.0.0.1", False),
        ("8.8.8.8", "::1", False),
        ("8.8.8.8", "10.0.0.1", False),
        ("8.8.8.8", "169.254.169.254", False),
        ("8.8.8.8", "::", False),
        ("8.8.8.8", "224.0.0.1", False),
        ("10.0.0.9", "10.0.0.1", True),
        ("10.0.0.9", "9.9.9.9", True),
        ("10.0.0.9", "127.0.0.1", False),
        ("10.0.0.9", "169.254.169.254", False),
        ("127.0.0.1", "127.0.0.3", True),
        ("gw.example", "10.0.0.1", False),
    ],
)
def test_nobody_has_us_connect_where_he_cannot(ours: str, theirs: str, dialled: bool) -> None:
    places = {Transport.TCP: (ours, 2855)}
    assert dials(places, lambda _: "8.8.8.8")(theirs) is dialled
