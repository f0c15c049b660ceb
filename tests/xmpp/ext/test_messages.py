"""Extensions of messages, on the wire: by the examples of each standard."""

from collections.abc import Callable

import pytest

from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import (
    attention,
    correction,
    delay,
    encryption,
    forwarding,
    hints,
    nick,
    oob,
    reactions,
    replies,
    retraction,
    sources,
    spoiler,
    stanza_ids,
)
from dragoman.xmpp.ext.reactions import MOST, Reactions
from dragoman.xmpp.parser import parse_document


def message(inner: str) -> Element:
    return parse_document(f"<message xmlns='jabber:client'>{inner}</message>".encode())


EARLIER = (
    "<apply-to id='origin-id-1' xmlns='urn:xmpp:fasten:0'>"
    "<retract xmlns='urn:xmpp:message-retract:0'/></apply-to>"
)
REPLY = "<reply to='anna@example.com/tablet' id='message-id1' xmlns='urn:xmpp:reply:0'/>"
MAM = "<result xmlns='urn:xmpp:mam:2' queryid='f27' id='1'/>"
FORWARDED = "<forwarded xmlns='urn:xmpp:forward:0'/>"
OMEMO = "<encrypted xmlns='urn:xmpp:omemo:2'><header sid='1'/>{}</encrypted>"
STAMP = "2002-09-10T23:08:25Z"


@pytest.mark.parametrize(
    ("read", "inner", "found"),
    [
        (correction.replaces, "<replace id='bad1' xmlns='urn:xmpp:message-correct:0'/>", "bad1"),
        (correction.replaces, "<replace xmlns='urn:xmpp:message-correct:0'/>", ""),
        (correction.replaces, "<replace id='bad1'/>", None),
        (retraction.retracts, "<retract id='r1' xmlns='urn:xmpp:message-retract:1'/>", "r1"),
        (retraction.retracts, "<retract id='r1' xmlns='urn:xmpp:message-retract:0'/>", "r1"),
        (retraction.retracts, "<retract xmlns='urn:xmpp:message-retract:1'/>", ""),
        (retraction.retracts, EARLIER, "origin-id-1"),
        (retraction.retracts, EARLIER.replace("id='origin-id-1'", ""), ""),
        (retraction.retracts, "<apply-to id='1' xmlns='urn:xmpp:fasten:0'/>", None),
        (retraction.retracts, "", None),
        (replies.replied_to, REPLY, "message-id1"),
        (replies.replied_to, "<reply xmlns='urn:xmpp:reply:0'/>", ""),
        (replies.replied_to, "", None),
        (nick.nickname, "<nick xmlns='http://jabber.org/protocol/nick'>Ishmael</nick>", "Ishmael"),
        (nick.nickname, "", ""),
        (delay.sent, f"<delay xmlns='urn:xmpp:delay' from='c.com' stamp='{STAMP}'/>", STAMP),
        (delay.sent, "<delay xmlns='urn:xmpp:delay'/>", ""),
        (delay.sent, "", None),
        (attention.calls, "<attention xmlns='urn:xmpp:attention:0'/>", True),
        (attention.calls, "<attention/>", False),
        (spoiler.hint, "<spoiler xmlns='urn:xmpp:spoiler:0'>Love end</spoiler>", "Love end"),
        (spoiler.hint, "<spoiler xmlns='urn:xmpp:spoiler:0'/>", ""),
        (spoiler.hint, "", None),
        (stanza_ids.origin_id, "<origin-id xmlns='urn:xmpp:sid:0' id='de305d54'/>", "de305d54"),
        (stanza_ids.origin_id, "", ""),
        (hints.may_be_kept, "", True),
        (hints.may_be_kept, "<store xmlns='urn:xmpp:hints'/>", True),
        (hints.may_be_kept, "<no-store xmlns='urn:xmpp:hints'/>", False),
        (hints.may_be_kept, "<no-permanent-store xmlns='urn:xmpp:hints'/>", False),
        (forwarding.is_copy, f"<sent xmlns='urn:xmpp:carbons:2'>{FORWARDED}</sent>", True),
        (forwarding.is_copy, f"<received xmlns='urn:xmpp:carbons:2'>{FORWARDED}</received>", True),
        (forwarding.is_copy, MAM, True),
        (forwarding.is_copy, "<private xmlns='urn:xmpp:carbons:2'/>", False),
        (forwarding.is_copy, "<received xmlns='urn:xmpp:receipts' id='1'/>", False),
        (forwarding.is_copy, FORWARDED, False),
        (forwarding.is_forwarded, FORWARDED, True),
        (forwarding.is_forwarded, MAM, False),
        (encryption.is_encrypted, "<encryption xmlns='urn:xmpp:eme:0'/>", True),
        (encryption.is_encrypted, OMEMO.format("<payload/>"), True),
        (encryption.is_encrypted, "<openpgp xmlns='urn:xmpp:openpgp:0'/>", True),
        (encryption.is_encrypted, "<x xmlns='jabber:x:encrypted'/>", True),
        (encryption.is_encrypted, "<x xmlns='jabber:x:oob'/>", False),
        (encryption.is_keys_only, OMEMO.format("<payload/>"), False),
        (encryption.is_keys_only, OMEMO.format(""), True),
        (encryption.is_keys_only, OMEMO.format("") + OMEMO.format("<payload/>"), False),
        (encryption.is_keys_only, "<encryption xmlns='urn:xmpp:eme:0'/>", False),
        (encryption.is_keys_only, "<openpgp xmlns='urn:xmpp:openpgp:0'/>", False),
    ],
)
def test_what_a_message_says(read: Callable[[Element], object], inner: str, found: object) -> None:
    assert read(message(inner)) == found


def test_what_is_written_is_read() -> None:
    assert nick.nickname(Element("m", None, (nick.nick("Ishmael"),))) == "Ishmael"
    assert delay.sent(Element("m", None, (delay.delay(STAMP),))) == STAMP


@pytest.mark.parametrize(
    ("emoji", "found"),
    [
        (["👋"], ("👋",)),
        (["👋", "🐢"], ("👋", "🐢")),
        (["👋", "👋", " 🐢\n", "", " "], ("👋", "🐢")),
        ([], ()),
        ([chr(0x1F600 + each) for each in range(80)], tuple("😀😁😂😃😄😅😆😇")),
    ],
)
def test_reactions(emoji: list[str], found: tuple[str, ...]) -> None:
    inner = "".join(f"<reaction>{each}</reaction>" for each in emoji)
    there = f"<reactions id='744f' xmlns='urn:xmpp:reactions:0'>{inner}</reactions>"
    assert reactions.reactions(message(there)) == Reactions("744f", found)
    assert reactions.reactions(message("")) is None
    assert len(found) <= MOST


def test_an_id_that_is_too_long_is_none() -> None:
    for length, found in ((128, "x" * 128), (129, "")):
        ids = (
            f"<origin-id xmlns='urn:xmpp:sid:0' id='{'x' * length}'/>"
            f"<stanza-id xmlns='urn:xmpp:sid:0' id='other' by='other@muc.example'/>"
            f"<stanza-id xmlns='urn:xmpp:sid:0' id='{'x' * length}' by='room@muc.example'/>"
        )
        assert stanza_ids.origin_id(message(ids)) == found
        assert stanza_ids.stanza_id(message(ids), "room@muc.example") == found
        assert stanza_ids.stanza_id(message(ids), "muc.example") == ""


def test_the_hint_of_a_spoiler_is_in_the_language_asked_for() -> None:
    both = message(
        "<spoiler xml:lang='en' xmlns='urn:xmpp:spoiler:0'>Trip to the beach</spoiler>"
        "<spoiler xml:lang='ca' xmlns='urn:xmpp:spoiler:0'>Viatge a la platja</spoiler>"
    )
    assert spoiler.hint(both, "ca") == "Viatge a la platja"
    assert spoiler.hint(both, "de") == "Trip to the beach"


URL = "https://download.montague.lit/4a771ac1/summit.jpg"
JINGLEPUB = "<jinglepub xmlns='urn:xmpp:jinglepub:1' from='romeo@montague.lit/r' id='9'/>"
SOURCES = (
    "<sources xmlns='urn:xmpp:sfs:0'>{}"
    f"<url-data xmlns='http://jabber.org/protocol/url-data' target='{URL}'/></sources>"
)
SFS = (
    "<file-sharing xmlns='urn:xmpp:sfs:0' disposition='inline'>"
    "<file xmlns='urn:xmpp:file:metadata:0'><name>summit.jpg</name></file>{}</file-sharing>"
)
SIMS = (
    "<reference xmlns='urn:xmpp:reference:0' begin='17' end='20' type='data'>"
    "<media-sharing xmlns='urn:xmpp:sims:1'><file xmlns='urn:xmpp:jingle:apps:file-transfer:5'>"
    "<name>summit.jpg</name></file><sources>"
    "<reference xmlns='urn:xmpp:reference:0' type='data' uri='xmpp:romeo@montague.lit?jingle'/>"
    f"<reference xmlns='urn:xmpp:reference:0' type='data' uri='{URL}'/>"
    "</sources></media-sharing></reference>"
)
OOB = f"<x xmlns='jabber:x:oob'><url>{URL}</url><desc>a picture</desc></x>"


@pytest.mark.parametrize(
    ("inner", "urls", "names"),
    [
        (SFS.format(SOURCES.format(JINGLEPUB)), [URL], ["summit.jpg"]),
        (SFS.format(f"<sources>{JINGLEPUB}</sources>"), [], ["summit.jpg"]),
        (SFS.format("") * 2, [], ["summit.jpg"] * 2),
        (SOURCES.format(""), [URL], []),
        (SIMS, [URL], ["summit.jpg"]),
        (SFS.format(SOURCES.format("")) + SIMS, [URL, URL], ["summit.jpg"] * 2),
        ("<reference xmlns='urn:xmpp:reference:0' uri='https://h/'/>", [], []),
        ("<file-sharing xmlns='urn:xmpp:sfs:0'/>", [], []),
        ("<file-sharing xmlns='urn:xmpp:sfs:0'><file xmlns='x'/></file-sharing>", [], []),
    ],
)
def test_shared_files(inner: str, urls: list[str], names: list[str]) -> None:
    assert sources.urls(message(inner)) == urls
    assert sources.names(message(inner)) == names


def test_out_of_band_urls() -> None:
    assert oob.urls(message(OOB + "<x xmlns='jabber:x:oob'/>" + OOB)) == [URL, URL]
    assert oob.urls(message("<x xmlns='jabber:x:oob'><url/></x>")) == []
