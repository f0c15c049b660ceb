"""Stanzas whose address is none, on real streams: answered where somebody waits, survived."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dragoman.app.demo import CAROL, SIP_DOMAIN, XMPP_DOMAIN
from dragoman.testing.stream import condition_of
from tests.house import ALICE, House, build, tear_down

NOBODY = f"a b@{SIP_DOMAIN}"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    built = await build(tmp_path)
    yield built
    await tear_down(built)


@pytest.mark.spec("ADDR-24")
@pytest.mark.parametrize(
    "stanza",
    [
        f"<message id='m' from='{ALICE}' to='{NOBODY}' type='chat'><body>x</body></message>",
        f"<iq id='m' from='{ALICE}' to='{NOBODY}' type='get'><x xmlns='urn:x'/></iq>",
    ],
)
async def test_an_address_that_is_none_comes_back_from_its_domain(
    house: House, stanza: str
) -> None:
    house.domain.send(stanza, SIP_DOMAIN)
    house.domain.message(ALICE, CAROL, "and on")
    error = await house.domain.next_stanza()
    assert (error.get("id"), error.get("from")) == ("m", SIP_DOMAIN)
    assert (error.get("to"), condition_of(error)) == (ALICE, "jid-malformed")
    assert (await house.phone.next_request()).text == "and on"


@pytest.mark.parametrize(
    "stanza",
    [
        f"<message from='a b@{XMPP_DOMAIN}' to='{CAROL}'><body>x</body></message>",
        f"<message from='{ALICE}' to='{NOBODY}' type='error'><body>x</body></message>",
        f"<iq id='m' from='{ALICE}' to='{NOBODY}' type='result'/>",
    ],
)
async def test_what_nobody_waits_for_is_passed_over(house: House, stanza: str) -> None:
    house.domain.send(stanza, SIP_DOMAIN)
    house.domain.message(ALICE, CAROL, "and on")
    assert (await house.phone.next_request()).text == "and on"
    assert house.domain.received == []
