"""A gateway that dies at each step of a handshake: in the end both sides believe the same.

What is in the store survives `kill -9` (tests/store/test_consent.py kills a process that keeps it),
and nothing else does. Peers do what theirs do: an XMPP server repeats a request that was not
answered when its user comes online (RFC 6121 §3.1.2), and says yes by itself for a user who has
said so (§3.1.3); a phone whose dialog is gone subscribes again.
"""

import pytest

from tests.bridge.world import ALICE, CAROL, run
from tests.talks.presence import PresenceTalk

ASKING = [
    "alice asks to see carol",
    "carol's server is asked for 3600",
    "carol's server answers 200 Expires: 3600",
    "carol's server notifies pending;expires=3600",
    "carol's server notifies active;expires=3600: orchard open",
]
LEAVING = [
    "alice stops seeing carol",
    "carol's server is asked again for 0",
    "carol's server answers 200 Expires: 0",
    "carol's server notifies terminated;reason=timeout",
]
WATCHING = [
    "carol's phone asks for 3600",
    "carol's phone hears 200",
    "carol's phone is told pending",
    "alice allows carol",
    "carol's phone is told active",
]


async def said(talk: PresenceTalk, lines: list[str]) -> None:
    for line in lines:
        await talk.take(line)


def asked(talk: PresenceTalk) -> bool:
    """Take the next SUBSCRIBE of the gateway, whatever it asks for; False for none."""
    found = talk._subscribes()[talk.asked :]
    if found:
        talk.asked += 1
        talk.last = found[0]
        talk.cseq = talk.cseq if found[0].to.tag else 0
    return bool(found)


@pytest.mark.spec("PRES-33")
@pytest.mark.parametrize("steps", range(len(ASKING) + 1))
def test_killed_while_alice_asks(steps: int) -> None:
    """She sees Carol in the end, by one dialog, and her server has heard that she may."""

    async def scenario() -> None:
        talk = PresenceTalk()
        await said(talk, ASKING[:steps])
        await talk.take("the gateway restarts")
        if not steps:
            await talk.take("alice asks to see carol")
        assert asked(talk)
        await said(talk, ["carol's server answers 200 Expires: 3600", ASKING[-1]])
        assert talk._stanzas() == ["subscribed", "available orchard"]
        record = talk.store.find_watching(ALICE, CAROL)
        assert record is not None
        assert record.authorized
        assert not asked(talk), "one dialog"
        await talk.take("alice's server probes")
        assert talk._stanzas()[2:] == ["available orchard"]

    run(scenario())


@pytest.mark.spec("PRES-33")
@pytest.mark.parametrize("steps", range(len(LEAVING) + 1))
def test_killed_while_alice_leaves(steps: int) -> None:
    """She sees nothing any more, her server has heard it, and Carol's has no dialog with us."""

    async def scenario() -> None:
        talk = PresenceTalk()
        await said(talk, [*ASKING, *LEAVING[:steps]])
        told = "unsubscribed" in talk._stanzas()
        await talk.take("the gateway restarts")
        if not steps:
            await talk.take("alice stops seeing carol")  # her server had no word that it came
        while asked(talk):
            await talk.take("carol's server answers 200 Expires: 3600")
        assert told or "unsubscribed" in talk._stanzas()
        assert talk.store.find_watching(ALICE, CAROL) is None
        await talk.take("time passes: 1 minute")
        await talk.take("carol's server notifies active: orchard open rejected by 481")
        assert "available orchard" not in talk._stanzas()

    run(scenario())


@pytest.mark.parametrize("steps", range(len(WATCHING) + 1))
def test_killed_while_carol_asks(steps: int) -> None:
    """Her phone subscribes again; Alice is not asked twice for what she has granted."""

    async def scenario() -> None:
        talk = PresenceTalk()
        await said(talk, WATCHING[:steps])
        granted = steps > WATCHING.index("alice allows carol")
        await talk.take("the gateway restarts")
        if steps:
            talk.phones["phone"].tag = talk.phones["phone"].tag or "lost"
            await said(talk, ["carol's phone asks again for 3600", "carol's phone hears 481"])
        await said(talk, ["carol's phone asks for 3600", "carol's phone hears 200"])
        if granted:
            assert talk._stanzas() == ["probe"]
        else:
            assert talk._stanzas() == ["subscribe"]
            await said(talk, ["carol's phone is told pending", "alice allows carol"])
        await talk.take("carol's phone is told active")
        await said(talk, ["alice at home is available", "carol's phone is told active: home open"])
        record = talk.store.find_watched(ALICE, CAROL)
        assert record is not None
        assert record.authorized

    run(scenario())


@pytest.mark.parametrize("told", [False, True])
def test_killed_while_alice_takes_it_back(told: bool) -> None:
    """Carol's phone sees nothing of her after that."""

    async def scenario() -> None:
        talk = PresenceTalk()
        await said(talk, [*WATCHING, "alice refuses carol"])
        if told:
            await talk.take("carol's phone is told terminated;reason=rejected")
        await talk.take("the gateway restarts")
        await said(talk, ["carol's phone asks for 3600", "carol's phone hears 200"])
        await said(talk, ["carol's phone is told pending", "alice at home is available"])
        await said(talk, ["time passes: 10 seconds", "carol's phone is told nothing"])

    run(scenario())
