"""A gateway that is killed at each step of a SIP user's watching (RFC 8048 §5.3), and the next.

The process is real, the far ends are a scripted phone and a scripted domain.
"""

import signal
import sys
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest

from dragoman.app.demo import CAROL, XMPP_DOMAIN
from dragoman.testing.domain import Domain
from dragoman.testing.nameserver import Nameserver
from dragoman.testing.phone import Phone, Reply
from dragoman.testing.siptext import SipText
from tests.app.test_restart import World

ALICE = f"alice@{XMPP_DOMAIN}"


class Watching(World):
    """Carol's phone, which watches, and alice's server."""

    tag = ""
    calls = count(1)
    cseq = count(1)
    call = ""

    async def subscribe(self, *, again: bool = False) -> int | None:
        """Have the phone ask, in a new dialog or in the last one; return the final status."""
        if not again:
            self.call, self.tag = f"watch{next(self.calls)}", ""
        host, port = self.phone.core.sent_by
        request = SipText(
            f"SUBSCRIBE sip:{ALICE} SIP/2.0",
            (
                ("Max-Forwards", "70"),
                ("From", f"<sip:{CAROL}>;tag=phone"),
                ("To", f"<sip:{ALICE}>{self.tag}"),
                ("Call-ID", self.call),
                ("CSeq", f"{next(self.cseq)} SUBSCRIBE"),
                ("Contact", f"<sip:carol@{host}:{port}>"),
                ("Event", "presence"),
                ("Expires", "3600"),
            ),
        )
        sent = await self.phone.request(request)
        self.tag = ";" + (sent.responses[-1].get("To") or "").partition(";")[2]
        return sent.status

    async def told(self) -> str:
        """Return the state of the next NOTIFY of the last dialog, and whether alice is there."""
        while (notify := await self.phone.next_request()).get("Call-ID") != self.call:
            pass
        state = (notify.get("Subscription-State") or "").partition(";expires")[0]
        return state + (" open" if b"<basic>open" in notify.body else "")

    async def asked(self) -> str | None:
        """Return of which type the next presence is that alice's server is sent."""
        while (stanza := await self.domain.next_stanza()).get("to") != ALICE:
            pass
        return stanza.get("type")

    def says(self, kind: str = "", resource: str = "") -> None:
        """Have alice, or her server for her, send presence."""
        type_ = f" type='{kind}'" if kind else ""
        self.domain.send(f"<presence from='{ALICE}{resource}' to='{CAROL}'{type_}/>", CAROL)

    async def killed(self) -> None:
        """Kill the gateway, and start another."""
        await self.end(signal.SIGKILL)
        await self.until(lambda: not (self.domain.streams_in or self.domain.streams_out))
        await self.start()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Watching]:
    server = await Nameserver.start({})
    phone = await Phone.start()
    phone.core._reply_to = lambda _: Reply(200)  # type: ignore[method-assign, assignment]
    domain = await Domain.start(XMPP_DOMAIN)
    found = Watching(tmp_path, server, phone, domain)
    await found.start()
    yield found
    await found.end(signal.SIGKILL)
    await phone.aclose()
    await domain.aclose()
    server.close()


@pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.3 is an address of Linux alone")
async def test_killed_at_each_step(world: Watching) -> None:
    """Dialogs end with the process (RFC 6665 §4.2.1), consent does not: W-22."""
    assert (await world.subscribe(), await world.told()) == (200, "pending")
    assert await world.asked() == "subscribe"

    await world.killed()  # before she has answered: she is asked again, by the next dialog
    assert await world.subscribe(again=True) == 481
    assert (await world.subscribe(), await world.told()) == (200, "pending")
    assert await world.asked() == "subscribe"
    world.says("subscribed")
    assert await world.told() == "active"

    await world.killed()  # as soon as the phone knows of her consent, before there is any state
    assert await world.subscribe(again=True) == 481
    assert (await world.subscribe(), await world.told()) == (200, "active")
    assert await world.asked() == "probe"
    world.says(resource="/balcony")
    assert await world.told() == "active open"

    await world.killed()  # what she was is not told from memory: her server is asked
    assert (await world.subscribe(), await world.told()) == (200, "active")
    assert await world.asked() == "probe"
    world.says("unsubscribed")
    assert await world.told() == "terminated;reason=rejected"

    await world.killed()  # as soon as the phone knows that it may not see her any more
    assert (await world.subscribe(), await world.told()) == (200, "pending")
    assert await world.asked() == "subscribe"
