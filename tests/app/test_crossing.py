"""A whole gateway on loopback between scripted far ends: what crosses, and what comes back."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from dragoman.app.config import Sip, Xmpp
from dragoman.app.demo import CAROL, SIP_DOMAIN, XMPP_DOMAIN
from dragoman.app.services import (
    MOST_CONNECTIONS,
    Gateway,
    connections,
    raise_descriptors,
)
from dragoman.records import DnsFailure, Kind, Question, Srv
from dragoman.sip.guard import FEW
from dragoman.testing.phone import Phone
from dragoman.testing.siptext import SipText
from dragoman.trace import Tap
from tests.house import ALICE, House, build, configuration, tear_down


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    built = await build(tmp_path)
    yield built
    await tear_down(built)


@pytest.mark.spec("IM-17")
async def test_a_message_crosses_each_way_and_is_answered(house: House) -> None:
    assert await house.says(f"alice@{XMPP_DOMAIN}", "wherefore") == 202
    assert house.stanzas() == ["wherefore"]
    house.domain.message(ALICE, CAROL, "by yonder moon")
    request = await house.phone.next_request()
    assert (request.method, request.text) == ("MESSAGE", "by yonder moon")
    assert ";gr=balcony" in (request.get("From") or "")


async def test_the_two_halves_of_an_exchange_share_its_name(house: House) -> None:
    await house.says(f"alice@{XMPP_DOMAIN}", "wherefore")
    [inside] = [each for each in house.seen if each.text.startswith("MESSAGE")]
    [outside] = [each for each in house.seen if "<body>" in each.text]
    assert inside.exchange == outside.exchange


async def test_order_is_kept(house: House) -> None:
    texts = [f"line {number}" for number in range(30)]
    for text in texts:
        house.domain.message(ALICE, CAROL, text)
    got = [(await house.phone.next_request()).text for _ in texts]
    assert got == texts


async def test_an_unknown_xmpp_user_is_told_as_such(house: House) -> None:
    assert await house.says(f"nobody@{XMPP_DOMAIN}", "anyone?") == 403
    assert house.stanzas()[-1] == "anyone?"


@pytest.mark.spec("IM-16")
@pytest.mark.parametrize(
    ("user", "condition"), [("nobody", "item-not-found"), ("busy", "recipient-unavailable")]
)
async def test_what_a_phone_says_comes_back_as_an_error(
    house: House, user: str, condition: str
) -> None:
    assert await house.condition(f"{user}@{SIP_DOMAIN}", "hello?") == condition


async def test_a_long_message_crosses_in_parts(house: House) -> None:
    house.domain.message(ALICE, CAROL, "word " * 400)
    bodies = [(await house.phone.next_request(5)).body.decode() for _ in range(3)]
    assert [body[:6] for body in bodies] == ["(1/3) ", "(2/3) ", "(3/3) "]
    assert " ".join(body[6:] for body in bodies).split() == ["word"] * 400


async def test_an_oversize_message_comes_back_and_does_not_cross(house: House) -> None:
    assert await house.condition(CAROL, "x" * 14_000) == "policy-violation"
    assert house.phone.received == []


async def test_a_refused_sip_port_is_a_time_out_at_once(house: House) -> None:
    free = Question(Kind.SRV, f"_sip._udp.{SIP_DOMAIN}")
    house.resolver.records[free] = (Srv(0, 0, 9, f"{house.phone.address[0]}.host.test"),)
    assert await house.condition(CAROL, "hello?") == "remote-server-timeout"


async def test_a_refused_xmpp_port_is_504(house: House) -> None:
    record = Question(Kind.SRV, f"_xmpp-server._tcp.{XMPP_DOMAIN}")
    house.resolver.records[record] = (Srv(0, 0, 9, f"{house.domain.address[0]}.host.test"),)
    assert await house.says(f"alice@{XMPP_DOMAIN}", "hello?") == 504


async def test_a_domain_without_xmpp_is_404(house: House) -> None:
    del house.resolver.records[Question(Kind.SRV, f"_xmpp-server._tcp.{XMPP_DOMAIN}")]
    assert await house.says(f"alice@{XMPP_DOMAIN}", "hello?") == 404


async def test_a_dns_that_does_not_answer_is_504(house: House) -> None:
    record = Question(Kind.SRV, f"_xmpp-server._tcp.{XMPP_DOMAIN}")
    house.resolver.records[record] = DnsFailure("no answer")
    house.resolver.records[Question(Kind.SRV, f"_xmpps-server._tcp.{XMPP_DOMAIN}")] = DnsFailure("")
    assert await house.says(f"alice@{XMPP_DOMAIN}", "hello?") == 504


async def test_a_domain_without_sip_is_not_found(house: House) -> None:
    for name in (f"_sip._udp.{SIP_DOMAIN}", SIP_DOMAIN):
        for kind in (Kind.SRV, Kind.NAPTR):
            house.resolver.records.pop(Question(kind, name), None)
    assert await house.condition(CAROL, "hello?") == "remote-server-not-found"


async def test_who_does_not_send_from_his_domain_is_refused_and_nothing_crosses(
    house: House,
) -> None:
    stranger = await Phone.start(host="127.0.0.9", gateway=house.gateway.sip_address)
    try:
        sent = await stranger.send(f"sip:{CAROL}", f"sip:alice@{XMPP_DOMAIN}", "it is I, carol")
        assert sent.status == 403
    finally:
        await stranger.aclose()
    assert house.stanzas() == []


async def test_a_foreign_target_is_refused(house: House) -> None:
    assert await house.says("someone@elsewhere.test", "relay me") == 403


@pytest.mark.spec("ERR-13")
async def test_a_sips_address_does_not_cross(house: House) -> None:
    sent = await house.phone.send(f"sip:{CAROL}", f"sips:alice@{XMPP_DOMAIN}", "secret")
    assert sent.status == 480
    assert (sent.responses[-1].get("Warning") or "").startswith("380 ")
    assert house.stanzas() == []


async def test_a_domain_whose_records_both_lead_here_is_a_loop(house: House) -> None:
    host, port = house.gateway.xmpp_address
    record = Question(Kind.SRV, f"_xmpp-server._tcp.{XMPP_DOMAIN}")
    house.resolver.records[record] = (Srv(0, 0, port, f"{host}.host.test"),)
    assert await house.says(f"alice@{XMPP_DOMAIN}", "mirror") == 482


async def test_sip_by_tcp_crosses_too_from_an_address_that_is_trusted(tmp_path: Path) -> None:
    house = await build(tmp_path, trusted=["127.0.0.1"])
    try:
        places = house.gateway.sip.describe()["listeners"]
        assert isinstance(places, list)
        port = int(places[0]["bound"][0].rpartition(":")[2])
        house.phone.gateway = ("127.0.0.1", port)
        assert await house.says(f"alice@{XMPP_DOMAIN}", "by stream", transport="TCP") == 202
    finally:
        await tear_down(house)


@pytest.mark.spec("NET-26")
async def test_the_answer_to_a_proxy_that_went_away_goes_where_its_name_leads(
    tmp_path: Path,
) -> None:
    """RFC 3263 §5: the proxy that sent is gone, and its spare one has the answer."""
    house = await build(tmp_path, trusted=["127.0.0.7"])
    arrived: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def spare(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set_result(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    server = await asyncio.start_server(spare, "127.0.0.8", 0)
    host, port = server.sockets[0].getsockname()[:2]
    name = "proxies.sip.test"
    house.resolver.records |= {
        Question(Kind.SRV, f"_sip._tcp.{name}"): (Srv(0, 0, port, "spare.sip.test"),),
        Question(Kind.ADDRESS, "spare.sip.test"): (host,),
    }
    try:
        places = house.gateway.sip.describe()["listeners"]
        assert isinstance(places, list)
        gateway = int(places[0]["bound"][0].rpartition(":")[2])
        message = house.phone.core.message(f"sip:{CAROL}", f"sip:alice@{XMPP_DOMAIN}", "adieu")
        via = ("Via", f"SIP/2.0/TCP {name};branch=z9hG4bKadieu")
        _, writer = await asyncio.open_connection("127.0.0.1", gateway, local_addr=("127.0.0.7", 0))
        writer.write(bytes(SipText(message.start, (via, *message.headers), message.body)))
        writer.close()
        answer = await asyncio.wait_for(arrived, 10)
        assert answer.startswith(b"SIP/2.0 202 ")
        assert b"branch=z9hG4bKadieu" in answer
        assert house.stanzas() == ["adieu"]
    finally:
        server.close()
        await tear_down(house)


async def test_a_gateway_that_comes_back_is_found_without_touching_anybody(
    house: House, tmp_path: Path
) -> None:
    assert await house.says(f"alice@{XMPP_DOMAIN}", "one") == 202
    ports = (house.gateway.sip_address[1], house.gateway.xmpp_address[1])
    house.gateway.xmpp.abort()
    await house.gateway.stop(0.1)
    again = configuration(tmp_path)
    again = again.model_copy(
        update={
            "sip": Sip(listen=[f"udp:127.0.0.1:{ports[0]}"]),
            "xmpp": Xmpp(listen=[f"starttls:127.0.0.1:{ports[1]}"]),
        }
    )
    house.gateway = Gateway(again, house.resolver, Tap(lambda: 0.0))
    await house.gateway.start()
    assert await house.says(f"alice@{XMPP_DOMAIN}", "two") == 202
    house.domain.message(ALICE, CAROL, "three")
    assert (await house.phone.next_request()).text == "three"


async def test_dialback_alone_does_not_do_where_certificates_are_required(tmp_path: Path) -> None:
    house = await build(tmp_path, require_certificate=True)
    try:
        assert await house.says(f"alice@{XMPP_DOMAIN}", "hello?") == 504
        house.domain.message(ALICE, CAROL, "hello?")
        assert "not-authorized" in await house.domain.next_end()
        assert house.phone.received == []
    finally:
        await tear_down(house)


# -- on a public address ----------------------------------------------------------------------


async def test_a_gateway_knows_its_friends_and_counts_scanners(house: House) -> None:
    assert await house.says(f"alice@{XMPP_DOMAIN}", "wherefore") == 202
    assert house.gateway.guard.describe()["known"] == 1
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as scanner:
        scanner.setblocking(False)
        scanner.bind(("127.0.0.66", 0))
        for number in range(5):
            scanner.sendto(SCAN.replace(b"{}", b"%d" % number), house.gateway.sip_address)
        assert await house.says(f"alice@{XMPP_DOMAIN}", "by what") == 202
        answers = [scanner.recv(9999) for _ in range(FEW)]
        with pytest.raises(BlockingIOError):
            scanner.recv(9999)
    assert {each[:12] for each in answers} == {b"SIP/2.0 403 "}
    assert house.gateway.guard.describe()["scanner agent"] == 5


async def test_a_stranger_is_refused_where_he_is_and_not_where_his_maddr_says(house: House) -> None:
    loop = asyncio.get_running_loop()
    with (
        closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as stranger,
        closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as third,
    ):
        for made, host in ((stranger, "127.0.0.68"), (third, "127.0.0.69")):
            made.setblocking(False)
            made.bind((host, 0))
        own, other = stranger.getsockname()[1], third.getsockname()[1]
        # to the port that he sends from, or to that of sent-by at his address
        for port, branch in ((f"{other};rport", "a"), (f"{own}", "b")):
            via = f"127.0.0.68:{port};maddr=127.0.0.69;branch=z9hG4bK{branch}"
            stranger.sendto(STRANGE.format(via).encode(), house.gateway.sip_address)
            async with asyncio.timeout(5):
                assert (await loop.sock_recv(stranger, 9999)).startswith(b"SIP/2.0 403 ")
        with pytest.raises(BlockingIOError):
            third.recv(9999)


async def test_a_silent_gateway_says_nothing_to_strangers(tmp_path: Path) -> None:
    settings = configuration(tmp_path)
    silent = settings.sip.model_copy(update={"unbelieved": "silence"})
    house = await build(tmp_path, settings=settings.model_copy(update={"sip": silent}))
    loop = asyncio.get_running_loop()
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as stranger:
        stranger.setblocking(False)
        stranger.bind(("127.0.0.67", 0))
        for data in (SCAN, SCAN.replace(b"CSeq", b"X"), SCAN.replace(b"friendly-scanner", b"x")):
            stranger.sendto(data, house.gateway.sip_address)
        assert await house.says(f"alice@{XMPP_DOMAIN}", "wherefore") == 202
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await loop.sock_recv(stranger, 9999)
    await tear_down(house)


STRANGE = (
    "MESSAGE sip:alice%40xmpp.test@sip.test SIP/2.0\r\nVia: SIP/2.0/UDP {}\r\n"
    "From: <sip:carol@sip.test>;tag=1\r\nTo: <sip:alice@xmpp.test>\r\nCall-ID: s\r\n"
    "CSeq: 1 MESSAGE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)
SCAN = (
    b"OPTIONS sip:100@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.66;branch=z9hG4bK{};rport\r\n"
    b"From: <sip:100@1.1.1.1>;tag=1\r\nTo: <sip:100@1.1.1.1>\r\nCall-ID: {}\r\nCSeq: 1 OPTIONS\r\n"
    b"Max-Forwards: 70\r\nUser-Agent: friendly-scanner\r\nContent-Length: 0\r\n\r\n"
)


@pytest.mark.parametrize(
    ("descriptors", "most"),
    [(1 << 20, MOST_CONNECTIONS), (-1, MOST_CONNECTIONS), (1024, 170), (256, 64), (4096, 1194)],
)
def test_how_many_may_come_in_goes_by_the_descriptors_there_are(
    descriptors: int, most: int
) -> None:
    assert connections(descriptors) == most
    assert raise_descriptors() == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
