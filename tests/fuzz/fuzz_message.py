"""Fuzz target: a SIP MESSAGE, whatever its body, becomes a stanza that a stream can carry, or is
refused; that stanza becomes a MESSAGE again, or is refused (RFC 7572).
"""

from dragoman.mapping.address import Unmappable, sip_to_jid
from dragoman.mapping.failure import Refused
from dragoman.mapping.message import Dropped, to_request, to_stanza
from dragoman.mapping.parties import recipient_of, sender_of
from dragoman.mapping.thread import ThreadBook
from dragoman.sip.message import Request, SipError, encode, parse
from dragoman.xmpp.element import Element, to_xml
from dragoman.xmpp.failure import StanzaError
from dragoman.xmpp.parser import parse_document

HEAD = (
    b"MESSAGE sip:juliet@example.com;gr=b SIP/2.0\r\n"
    b"Via: SIP/2.0/TCP s2x.example.net;branch=z9hG4bKeskdgs677\r\n"
    b"Max-Forwards: 70\r\nTo: <sip:juliet@example.com>\r\n"
    b'From: "Romeo" <sip:romeo@example.net>;gr=x;tag=vwxyz\r\n'
    b"Call-ID: 9E97FB43@h\r\nCSeq: 1 MESSAGE\r\nSubject: x\r\nContent-Language: en\r\n"
    b"Date: Sat, 13 Nov 2010 12:00:00 GMT\r\nExpires: 60\r\n"
    b"P-Asserted-Identity: <sip:tybalt@example.net>\r\n"
)
SEEDS = (
    HEAD + b"Content-Type: text/plain;charset=iso-8859-1\r\n\r\nd\xe9j\xe0\r\n",
    HEAD + b"Content-Type: message/cpim\r\n\r\nFrom: <sip:a@b>\r\nTo: <sip:c@d>\r\n"
    b"Subject: y\r\n\r\nContent-Type: text/plain\r\nContent-Language: fr\r\n\r\nbonjour",
    HEAD + b"Content-Type: multipart/mixed;boundary=b\r\n\r\n--b\r\nContent-Type: "
    b"multipart/alternative;boundary=c\r\n\r\n--c\r\nContent-Type: text/html\r\n\r\n<p/>\r\n--c\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--c--\r\n--b--",
)


def one_input(data: bytes) -> None:
    threads = ThreadBook(lambda: "token", bound=2)
    try:
        request = parse(data)
        if not isinstance(request, Request):
            return
        sender = sip_to_jid(sender_of(request, trusted=True))
        recipient = sip_to_jid(recipient_of(request, host="gw.example", trusted=True))
        stanza = to_stanza(request, sender, recipient, threads=threads, wall=1289649650.0)
    except (SipError, Refused, Unmappable):
        return
    if isinstance(stanza, Element):
        assert parse_document(to_xml(stanza).encode()) == stanza
        back(stanza, threads)


def back(stanza: Element, threads: ThreadBook) -> None:
    """Have a stanza cross to SIP: it is refused, or its request is read as it was written."""
    try:
        request = to_request(stanza, threads=threads, token=lambda: "tag")
    except StanzaError:
        return
    if isinstance(request, Dropped):
        return
    again = parse(encode(request))
    assert again.headers[:-1] == request.headers
    assert again.body == request.body


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
