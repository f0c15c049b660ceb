"""Fuzz target: addresses (RFC 7247 §6) cross both ways and come back the same, or are refused."""

from dragoman.mapping.address import (
    Unmappable,
    into_component,
    jid_to_sip,
    out_of_component,
    parse_xmpp_uri,
    sip_to_jid,
    xmpp_uri,
)
from dragoman.sip.failure import SipError
from dragoman.sip.uri import Uri
from dragoman.xmpp.failure import StanzaError
from dragoman.xmpp.jid import Jid

SEEDS = (
    b"sip:j%c3%bcrgen@xn--bcher-kva.example;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
    b"sip:c%3A%5C5commas@[2001:db8::7]:5060;user=phone?subject=x",
    b"tel:7042;phone-context=example.com",
    b"\\5c3and\\2is\\5c5cool@xmpp.example/a;b=c?d,e",
    "fußball\u03a3\uff21@bücher.example/\u265a".encode(),
)


def one_input(data: bytes) -> None:
    text = data.decode(errors="replace")
    _from_sip(text)
    _from_xmpp(text)


def _from_sip(text: str) -> None:
    try:
        uri = Uri.parse(text)
        jid = sip_to_jid(uri, tel_domain="tel.example")
    except (SipError, Unmappable):
        return
    assert Jid.parse(str(jid)) == jid
    assert parse_xmpp_uri(xmpp_uri(jid)) == jid
    assert _there_and_back(jid) in (jid, None)
    _through_a_component(uri, jid)


def _from_xmpp(text: str) -> None:
    try:
        jid = Jid.parse(text)
    except StanzaError:
        return
    _there_and_back(jid)


def _there_and_back(jid: Jid) -> Jid | None:
    """Send a JID to SIP and back, which from then on changes nothing."""
    try:
        written = str(jid_to_sip(jid))
        back = sip_to_jid(Uri.parse(written))
    except Unmappable:
        return None
    except SipError as error:
        # Legal as a JID, but percent-encoded longer than any URI that is read.
        if error.status == 414:
            return None
        raise
    assert str(jid_to_sip(back)) == written
    return back


def _through_a_component(uri: Uri, jid: Jid) -> None:
    if uri.scheme == "tel":
        return
    try:
        guest = into_component(uri, "gw.example")
        assert sip_to_jid(out_of_component(guest)) == jid
    except Unmappable:
        return


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
