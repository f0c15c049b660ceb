"""Fuzz target: any message, whatever extensions it has, becomes text for a phone, or none
(XEP-0308, XEP-0424, XEP-0428, XEP-0444, XEP-0461).
"""

from dragoman.mapping.excerpt import LONGEST, excerpt, line
from dragoman.mapping.readable import corrects_nothing, known_as, readable, said, withheld
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import stanza_ids
from dragoman.xmpp.failure import StreamError
from dragoman.xmpp.parser import parse_document

SEEDS = (
    (
        b"<message xmlns='jabber:client' id='m2'><body>&gt; Anna wrote:\n&gt; cake\nGreat!</body>"
        b"<reply to='a@b/c' id='m1' xmlns='urn:xmpp:reply:0'/>"
        b"<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'>"
        b"<body start='0' end='21'/></fallback>"
        b"<replace xmlns='urn:xmpp:message-correct:0' id='m1'/></message>"
    ),
    (
        b"<message xmlns='jabber:client' id='m3'><retract xmlns='urn:xmpp:message-retract:1' "
        b"id='m1'/><fallback xmlns='urn:xmpp:fallback:0'/><body>/me retracted</body></message>"
    ),
    (
        b"<message xmlns='jabber:client'><apply-to id='m1' xmlns='urn:xmpp:fasten:0'>"
        b"<retract xmlns='urn:xmpp:message-retract:0'/></apply-to></message>"
    ),
    (
        b"<message xmlns='jabber:client'><reactions xmlns='urn:xmpp:reactions:0' id='m1'>"
        b"<reaction>\xf0\x9f\x91\x8b</reaction><reaction>a</reaction></reactions>"
        b"<body>a</body></message>"
    ),
    (
        b"<message xmlns='jabber:client' xml:lang='en'><spoiler xmlns='urn:xmpp:spoiler:0'>end"
        b"</spoiler><body>x</body><x xmlns='jabber:x:oob'><url>https://a/b</url></x>"
        b"<attention xmlns='urn:xmpp:attention:0'/></message>"
    ),
    (
        b"<message xmlns='jabber:client'><file-sharing xmlns='urn:xmpp:sfs:0'>"
        b"<file xmlns='urn:xmpp:file:metadata:0'><name>a.jpg</name></file><sources>"
        b"<url-data xmlns='http://jabber.org/protocol/url-data' target='https://a/a.jpg'/>"
        b"</sources></file-sharing><reference xmlns='urn:xmpp:reference:0'><media-sharing "
        b"xmlns='urn:xmpp:sims:1'><sources><reference xmlns='urn:xmpp:reference:0' uri='http:'/>"
        b"</sources></media-sharing></reference></message>"
    ),
    (
        b"<message xmlns='jabber:client'><sent xmlns='urn:xmpp:carbons:2'>"
        b"<forwarded xmlns='urn:xmpp:forward:0'/></sent></message>"
    ),
)
TOKENS = (
    *(b"<body start='-1' end='99'/>", b"<body end='3'/>", b" start='4294967296'", b" for=''"),
    *(
        b"<fallback xmlns='urn:xmpp:fallback:0'>",
        b"</fallback>",
        b"<reaction/>",
        b"&gt; ",
        b"&#10;",
    ),
    *(b"\xe2\x80\xae", b"\xe2\x80\x8d", b"\xf0\x9f\x87\xaa", b"\xcc\x81", b"id='other'", b"&#13;"),
    *(b"<replace xmlns='urn:xmpp:message-correct:0' id='m1'/>", b"<reaction>", b"<body>"),
    *(b"<delay xmlns='urn:xmpp:delay'/>", b"<forwarded xmlns='urn:xmpp:forward:0'/>"),
)


def one_input(data: bytes) -> None:
    try:
        stanza = parse_document(data)
    except StreamError:
        return
    asked: list[str] = []

    def known(id_: str) -> str:
        asked.append(id_)
        return "said before " * 9

    text = readable(stanza, known)
    own = said(stanza)
    assert all(0 < len(each) <= stanza_ids.LONGEST for each in (*asked, *known_as(stanza)))
    assert bool(text) or not own
    assert corrects_nothing(stanza, lambda _, what: what == own) is corrects(stanza)
    short = excerpt(text)
    assert short == line(short)
    assert len(short) <= LONGEST
    withheld(stanza)


def corrects(stanza: Element) -> bool:
    found = stanza.find("{urn:xmpp:message-correct:0}replace")
    return found is not None and 0 < len(found.get("id", "")) <= stanza_ids.LONGEST


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
