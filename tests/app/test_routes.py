"""A whole gateway behind a proxy that challenges, and before one that names it in Routes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dragoman.app.config import SipAccount
from dragoman.app.demo import CAROL, SIP_DOMAIN, XMPP_DOMAIN
from dragoman.testing.phone import Reply
from dragoman.testing.siptext import SipText
from tests.house import House, build, tear_down

ACCOUNT = SipAccount(realm="Trunk", user="gateway", password="wherefore", domain=SIP_DOMAIN)  # noqa: S106
CHALLENGE = ("Proxy-Authenticate", 'Digest realm="Trunk", nonce="n", qop="auth"')
ROMEO = f"romeo@{SIP_DOMAIN}"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    built = await build(tmp_path, proxy=SIP_DOMAIN, accounts=[ACCOUNT])
    built.phone.core.script = {"romeo": Reply(407, headers=(CHALLENGE,))}
    yield built
    await tear_down(built)


@pytest.mark.spec("NET-28")
@pytest.mark.spec("NET-29")
async def test_a_challenge_is_answered_once_on_the_way_through_the_proxy(house: House) -> None:
    assert await house.condition(ROMEO, "wherefore", within=40) is not None
    us = "{}:{}".format(*house.gateway.sip_address)
    # another process may have had our phone's port before, and somebody still writes to that
    ours = [each for each in house.phone.received if us in (each.get("Via") or "")]
    first, second = ours
    assert (first.get("CSeq"), second.get("CSeq")) == ("1 MESSAGE", "2 MESSAGE")
    assert first.get("Proxy-Authorization") is None
    assert 'username="gateway"' in (second.get("Proxy-Authorization") or "")
    for request in (first, second):
        assert request.get("Route") == f"<sip:{SIP_DOMAIN};lr>"
        assert request.target == f"sip:{ROMEO}"


@pytest.mark.spec("NET-29")
@pytest.mark.parametrize("strict", [False, True], ids=["loose", "strict"])
async def test_a_request_whose_route_names_the_gateway_crosses(house: House, strict: bool) -> None:
    us = "sip:{}:{}".format(*house.gateway.sip_address)
    alice = f"sip:alice@{XMPP_DOMAIN}"
    plain = house.phone.core.message(f"sip:{CAROL}", alice, "wherefore")
    start = f"MESSAGE {us if strict else alice} SIP/2.0"
    route = f"<{alice if strict else us + ';lr'}>"
    routed = SipText(start, (*plain.headers, ("Route", route)), plain.body)
    assert (await house.phone.request(routed)).status == 202
    assert house.stanzas() == ["wherefore"]
