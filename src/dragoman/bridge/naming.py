"""Who a user is on the other side: federated, or a name at a component (RFC 7247 §6, XEP-0114)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from dragoman.mapping.address import (
    Unmappable,
    into_component,
    jid_to_sip,
    out_of_component,
    sip_to_jid,
)
from dragoman.mapping.spelling import SpellingBook
from dragoman.sip.uri import Uri
from dragoman.xmpp.jid import Jid

HERE: Final = "here.invalid"
"""In a Contact, the place where the far end reaches us: it is known when the message is sent."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A component's domain, and the SIP domain whose users it has ("": any)."""

    domain: str
    sip_domain: str = ""

    def takes(self, host: str) -> bool:
        """Tell whether users of the SIP domain `host` can have names here."""
        return self.sip_domain in {"", host}


class Naming:
    """The names of users on the other side.

    `federated(host)` tells whether we stand for the SIP domain `host` on XMPP under its own name.
    SIP users who wrote are named as they spell themselves, which a JID does not tell.
    """

    def __init__(
        self,
        federated: Callable[[str], bool],
        attachments: Sequence[Attachment] = (),
        tel_domain: str = "",
    ) -> None:
        """Name by these rules."""
        self._federated = federated
        self._attachments = {each.domain: each for each in attachments}
        self._tel_domain = tel_domain
        self._spellings = SpellingBook()

    def attached(self, host: str) -> bool:
        """Tell whether users of the SIP domain `host` can have names at a component."""
        return any(each.takes(host) for each in self._attachments.values())

    def is_component(self, domain: str) -> bool:
        """Tell whether `domain` is a component's."""
        return domain in self._attachments

    def xmpp_sender(self, uri: Uri) -> Jid:
        """Return the JID that a SIP user writes from; raises Unmappable."""
        if not self._attachments or self._federated(uri.host):
            return sip_to_jid(uri, tel_domain=self._tel_domain)
        for each in self._attachments.values():
            if each.takes(uri.host):
                return into_component(uri, each.domain, sip_domain=each.sip_domain)
        raise Unmappable(f"{uri.host} has no name on XMPP here", 403)

    def xmpp_recipient(self, uri: Uri) -> Jid:
        """Return the JID of the XMPP user that a SIP user writes to; raises Unmappable."""
        return sip_to_jid(uri, tel_domain=self._tel_domain)

    def sip_recipient(self, jid: Jid) -> Uri:
        """Return the SIP URI of the SIP user that an XMPP user writes to; raises Unmappable.

        A user whom `heard` told of is spelled in the same way.
        """
        return self._spellings.spelled(jid, self._usual(jid))

    def heard(self, jid: Jid, uri: Uri) -> None:
        """Remember that the SIP user whose JID is `jid` calls itself `uri` (RFC 3261 §19.1.4)."""
        try:
            usual = self._usual(jid)
        except Unmappable:
            return  # nobody writes to who has no address to write to
        self._spellings.remember(jid, uri, usual)

    def sip_sender(self, jid: Jid) -> Uri:
        """Return the SIP URI that an XMPP user writes from; raises Unmappable."""
        return jid_to_sip(jid)

    def contact(self, user: Jid, peer: Jid) -> str:
        """Return our Contact in a dialog of an XMPP user with the SIP user whose JID is `peer`.

        It leads here by the user's own domain; for a component, of which the DNS need know nothing,
        by the address `HERE`, which the hub fills in. Raises Unmappable.
        """
        uri = self.sip_sender(user)
        if self.is_component(peer.domain):
            uri = replace(uri, host=HERE, port=None)
        return f"<{uri}>"

    def _usual(self, jid: Jid) -> Uri:
        attachment = self._attachments.get(jid.domain)
        if attachment is not None:
            return out_of_component(jid, sip_domain=attachment.sip_domain)
        return jid_to_sip(jid, tel_domain=self._tel_domain)
