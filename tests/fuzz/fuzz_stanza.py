"""Fuzz target: any stanza is answered, refused or carried (RFC 6120 §8, RFC 7572 §4).

The document is a stanza in jabber:client: requests are answered from the table of extensions,
messages become SIP requests, errors become responses.
"""

from dragoman.mapping.failure import sip_status
from dragoman.mapping.thread import ThreadBook
from dragoman.xmpp import dialback
from dragoman.xmpp.element import Element, to_xml
from dragoman.xmpp.ext import About, Who, caps, install
from dragoman.xmpp.ext.disco import Info
from dragoman.xmpp.failure import StanzaError, StreamError
from dragoman.xmpp.header import max_bytes
from dragoman.xmpp.parser import parse_document
from dragoman.xmpp.router import Router
from dragoman.xmpp.stanza import error_reply, is_stanza
from tests.fuzz.fuzz_message import back

SEEDS = (
    (
        b"<iq xmlns='jabber:client' type='get' id='1' from='a@b/c' to='d@e'>"
        b"<query xmlns='http://jabber.org/protocol/disco#info' node='x'/></iq>"
    ),
    (
        b"<iq xmlns='jabber:client' type='get' id='1' from='a@b/c' to='e'>"
        b"<query xmlns='jabber:iq:version'/></iq>"
    ),
    (
        b"<message xmlns='jabber:client' type='chat' id='m' from='a@b/c' to='d@e/f' xml:lang='en'>"
        b"<body>hi</body><body xml:lang='fr'>salut</body><subject>s</subject><thread>t</thread>"
        b"<delay xmlns='urn:xmpp:delay' stamp='2002-09-10T23:08:25Z'/>"
        b"<nick xmlns='http://jabber.org/protocol/nick'>N</nick>"
        b"<replace xmlns='urn:xmpp:message-correct:0' id='1'/>"
        b"<x xmlns='jabber:x:oob'><url>https://a.example/b</url></x></message>"
    ),
    (
        b"<message xmlns='jabber:client' type='error' from='a@b/c' to='d@e'><error type='modify'>"
        b"<gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>xmpp:f@g</gone>"
        b"<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>no\nmore</text>"
        b"<out-of-order xmlns='urn:xmpp:jingle:errors:1'/></error></message>"
    ),
    (
        b"<s:error xmlns:s='http://etherx.jabber.org/streams'>"
        b"<see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>[::1]:9</see-other-host>"
        b"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>go</text></s:error>"
    ),
    (
        b"<s:features xmlns:s='http://etherx.jabber.org/streams'>"
        b"<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>9000</max-bytes></limits>"
        b"</s:features>"
    ),
)
TOKENS = (
    *(b"<x xmlns='jabber:x:data'>", b"<field var='FORM_TYPE' type='hidden'>", b"<value>"),
    *(b"type='set'", b"type='result'", b"type='headline'", b"type='groupchat'", b"node='x'"),
    *(b"<ping xmlns='urn:xmpp:ping'/>", b"<time xmlns='urn:xmpp:time'/>", b"<body/>", b"<x/>"),
    *(b"xmlns='jabber:client'", b"<redirect", b"<resource-constraint", b"type='wait'", b"stamp='"),
    *(b"2002-09-10T23:08:25+99:59", b"xmpp:", b"sip:", b"xml:lang=''", b"<error>", b"@", b"/"),
    b"<encryption xmlns='urn:xmpp:eme:0'/>",
)

_router = Router()
install(_router, Who.SERVICE, About("Dragoman", "1", lambda: 0.0, lambda _, __: Info()))
_threads = ThreadBook(lambda: "token", bound=4)


def one_input(data: bytes) -> None:
    try:
        stanza = parse_document(data)
    except StreamError:
        return
    StreamError.parse(stanza).element()
    max_bytes(stanza)
    assert len(caps.verification(stanza)) == 28
    dialback.answer(stanza, dialback.Verdict.VALID)
    _answered(stanza)
    if is_stanza(stanza):
        _as_response(StanzaError.parse(stanza))
        back(stanza, _threads)


def _answered(stanza: Element) -> None:
    routed = _router.route(stanza)
    refused = error_reply(stanza, StanzaError.parse(stanza))
    for reply in (routed.reply, refused):
        if reply is not None:
            assert parse_document(to_xml(reply).encode()) == reply


def _as_response(error: StanzaError) -> None:
    for method in ("MESSAGE", "INVITE"):
        answer = sip_status(error, method=method, full=True, allow=("MESSAGE",))
        if answer is not None:
            assert 300 <= answer.status < 700
            assert len(answer.reason.encode()) <= 128
            assert all(value.isprintable() for _, value in answer.headers)
    _ = StanzaError.parse(error.element()).reason == error.reason


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
