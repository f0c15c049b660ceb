"""Far ends that want to hear of everything: receipts and who is writing (RFC 5438, RFC 3994).

Before each message its sender is seen writing; each asks for a receipt and gets one, and counts
only when that is back.  So one message costs the gateway four more, or five.
"""

import re
from typing import Final

from bench.load import ATTRIBUTE, TEXT, Direction, FarEnds, SipToXmpp, XmppToSip

ACTIVE: Final = (
    b'<?xml version="1.0" encoding="UTF-8"?>'
    b'<isComposing xmlns="urn:ietf:params:xml:ns:im-iscomposing"><state>active</state>'
    b"<contenttype>text/plain</contenttype></isComposing>"
)
NUMBER: Final = re.compile(rb"\r\n\r\n(\d{8}) ")
ABOUT: Final = re.compile(rb"<message-id>m(\d{8})</message-id>")
MESSAGE_ID: Final = re.compile(rb"imdn\.Message-ID: ([^\r]+)")
RECEIVED: Final = re.compile(rb"<received\b[^>]*\bid=[\"']n(\d{8})[\"']")
ASKS: Final = b"urn:xmpp:receipts"
STATES: Final = b"http://jabber.org/protocol/chatstates"


class AskingSip(SipToXmpp):
    """A MESSAGE that asks for a notification: done when the notification came as well."""

    def settle(self, number: int, *, good: bool) -> None:
        """Wait for the notification of a message that was taken."""
        if not good:
            super().settle(number, good=False)

    def notified(self, number: int) -> None:
        """Count a notification."""
        super().settle(number, good=True)


class AskingXmpp(XmppToSip):
    """A stanza that asks for a receipt: done when the receipt came."""

    def settle(self, number: int, *, good: bool) -> None:
        """Wait for the receipt of a message that came."""
        if not good:
            super().settle(number, good=False)

    def notified(self, number: int) -> None:
        """Count a receipt."""
        super().settle(number, good=True)


class AskingEnds(FarEnds):
    """The two domains, whose users ask for everything while `asks`."""

    asks = False
    states = 0
    """How many words that somebody writes came, on either side."""

    def begin(self, count: int, window: int, *, sip: bool, xmpp: bool) -> list[Direction]:
        """Begin a case; see `FarEnds`."""
        super().begin(count, window, sip=sip, xmpp=xmpp)
        if self.asks and self.sip_to_xmpp is not None:
            self.sip_to_xmpp = AskingSip(self, self.sip_to_xmpp.first, count, window)
        if self.asks and self.xmpp_to_sip is not None:
            self.xmpp_to_sip = AskingXmpp(self, self.xmpp_to_sip.first, count, window)
        return self.directions

    def send_request(self, number: int) -> None:
        """Send the MESSAGE of that number; one that asks, behind the word that it is written."""
        if not self.asks:
            super().send_request(number)
            return
        sender, recipient = self.pair(number)
        way = b"user%d@sip.test" % sender, b"user%d@xmpp.test" % recipient
        kind = b"application/im-iscomposing+xml"
        self._message_to(*way, b"s%08d" % number, kind, ACTIVE)
        body = (
            b"From: <sip:%s>\r\nTo: <sip:%s>\r\nDateTime: 2026-11-26T10:00:00Z\r\n"
            b"NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: m%08d\r\n"
            b"imdn.Disposition-Notification: positive-delivery\r\n\r\n"
            b"Content-Type: text/plain;charset=UTF-8\r\n\r\n%08d %s"
        ) % (*way, number, number, TEXT.encode())
        self._message_to(*way, b"n%08d" % number, b"message/cpim", body)

    def _message_to(self, user: bytes, peer: bytes, name: bytes, kind: bytes, body: bytes) -> None:
        """Send a MESSAGE of our user; `name` makes its branch, tag and Call-ID."""
        data = (
            b"MESSAGE sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s;rport\r\n"
            b"Max-Forwards: 70\r\nFrom: <sip:%s>;tag=%s\r\nTo: <sip:%s>\r\n"
            b"Call-ID: c%s@127.0.0.3\r\nCSeq: 1 MESSAGE\r\n"
            b"Content-Type: %s\r\nContent-Length: %d\r\n\r\n%s"
        ) % (peer, self._via, name, user, name, peer, name, kind, len(body), body)
        self._sendto(data, self._gateway)

    def send_stanza(self, number: int) -> None:
        """Gather the stanza of that number; one that asks, behind the state `composing`."""
        if not self.asks:
            super().send_stanza(number)
            return
        sender, recipient = self.pair(number)
        ends = f"from='user{sender}@xmpp.test/phone' to='user{recipient}@sip.test' type='chat'"
        states = STATES.decode()
        self._stanzas.append(
            f"<message {ends} id='s{number:08d}'><composing xmlns='{states}'/></message>"
            f"<message {ends} id='n{number:08d}'><body>{number:08d} {TEXT}</body>"
            f"<active xmlns='{states}'/><request xmlns='{ASKS.decode()}'/></message>"
        )

    def _message(self, attributes: bytes, content: bytes) -> None:
        if (receipt := RECEIVED.search(content)) is not None:
            if isinstance(self.xmpp_to_sip, AskingXmpp):
                self.xmpp_to_sip.notified(int(receipt[1]))
            return
        if STATES in content and b"<body" not in content:
            self.states += 1
            return
        super()._message(attributes, content)
        if ASKS in content:
            values = dict(ATTRIBUTE.findall(attributes))
            self._stanzas.append(
                f"<message from='{values[b'to'].decode()}/phone' to='{values[b'from'].decode()}'"
                f" id='r{values[b'id'].decode()}' type='chat'>"
                f"<received xmlns='{ASKS.decode()}' id='{values[b'id'].decode()}'/></message>"
            )

    def _text(self, body: bytes) -> bytes:
        """Return the text of a MESSAGE, empty for one without; answer what asks for a word."""
        if (about := ABOUT.search(body)) is not None:
            if isinstance(self.sip_to_xmpp, AskingSip):
                self.sip_to_xmpp.notified(int(about[1]))
            return b""
        if b"<isComposing" in body:
            self.states += 1
            return b""
        found, asked = NUMBER.search(body), MESSAGE_ID.search(body)
        if found is None or asked is None:
            return body
        self._notify(int(found[1]), asked[1])
        return found[1]

    def _notify(self, number: int, message_id: bytes) -> None:
        """Say that the message of that number was delivered."""
        sender, recipient = self.pair(number)
        way = b"user%d@sip.test" % recipient, b"user%d@xmpp.test" % sender
        body = (
            b"From: <sip:%s>\r\nTo: <sip:%s>\r\nNS: imdn <urn:ietf:params:imdn>\r\n"
            b"imdn.Message-ID: d%08d\r\n\r\nContent-Type: message/imdn+xml\r\n"
            b"Content-Disposition: notification\r\n\r\n"
            b'<imdn xmlns="urn:ietf:params:xml:ns:imdn"><message-id>%s</message-id>'
            b"<datetime>2026-11-26T10:00:00Z</datetime><delivery-notification><status>"
            b"<delivered/></status></delivery-notification></imdn>"
        ) % (*way, number, message_id)
        self._message_to(*way, b"d%08d" % number, b"message/cpim", body)
