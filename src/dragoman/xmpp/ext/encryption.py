"""Encrypted messages by name (XEP-0380; XEP-0384, XEP-0373, XEP-0027): for us they stay closed."""

from typing import Final

from dragoman.xmpp.element import Element

ENCRYPTION: Final = "{urn:xmpp:eme:0}encryption"
OMEMO: Final = {
    f"{{{namespace}}}encrypted": f"{{{namespace}}}payload"
    for namespace in ("eu.siacs.conversations.axolotl", "urn:xmpp:omemo:1", "urn:xmpp:omemo:2")
}
"""What OMEMO encrypts is within the one, and its text within the other."""
OPENPGP: Final = frozenset({"{urn:xmpp:openpgp:0}openpgp", "{jabber:x:encrypted}x"})
ENCRYPTED: Final = frozenset({ENCRYPTION, *OMEMO, *OPENPGP})


def is_encrypted(message: Element) -> bool:
    """Say whether a message is encrypted, or says that it is: its body is then a makeshift."""
    return any(each.name in ENCRYPTED for each in message.elements)


def is_keys_only(message: Element) -> bool:
    """Say whether a message is an empty one of OMEMO: keys for machines, nothing for people.

    Such a message has no payload (XEP-0384 §5.5.3), and its sender did not write it.
    """
    sealed = [each for each in message.elements if each.name in ENCRYPTED - {ENCRYPTION}]
    return bool(sealed) and all(
        each.name in OMEMO and each.find(OMEMO[each.name]) is None for each in sealed
    )
