"""Fuzz target: an address is refused, or is prepared once and for all (RFC 7622)."""

from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.jid import LONGEST_PART, Jid

SEEDS = (
    b"juliet@example.com/balcony",
    "Jürgen@Bücher.example./♚ foo@bar".encode(),
    "\uff21lice\\40x@xn--bcher-kva.example".encode(),
    "אב@[2001:db8::7]".encode(),
    "a\u3002b\uff0fc@192.0.2.1/\u00a0e\u0301".encode(),
)


def one_input(data: bytes) -> None:
    try:
        jid = Jid.parse(data.decode(errors="replace"))
    except StanzaError as error:
        if error.condition is not Condition.JID_MALFORMED:
            raise
        return
    assert jid.domain
    assert all(len(part.encode()) <= LONGEST_PART for part in (jid.local, jid.domain, jid.resource))
    assert Jid.parse(str(jid)) == jid
    assert Jid.of(jid.local, jid.domain) == jid.bare


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
