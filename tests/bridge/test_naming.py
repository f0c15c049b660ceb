"""Naming: federated addresses, and the addresses of components."""

import pytest

from dragoman.bridge.naming import Attachment, Naming
from dragoman.mapping.address import Unmappable
from dragoman.sip.uri import Uri
from dragoman.xmpp.jid import Jid


def naming(*attachments: Attachment) -> Naming:
    return Naming("sip.example".__eq__, attachments)


def test_federated_users_keep_their_names() -> None:
    found = naming()
    assert str(found.xmpp_sender(Uri.parse("sip:carol@sip.example"))) == "carol@sip.example"
    assert str(found.sip_sender(Jid.parse("alice@xmpp.example/x"))) == (
        "sip:alice@xmpp.example;gr=x"
    )


def test_a_user_of_another_domain_gets_a_name_at_the_component_and_is_reached_by_it() -> None:
    found = naming(Attachment("gw.xmpp.example"))
    jid = found.xmpp_sender(Uri.parse("sip:romeo@example.net"))
    assert str(jid) == r"romeo\40example.net@gw.xmpp.example"
    assert str(found.sip_recipient(jid)) == "sip:romeo@example.net"
    assert str(found.xmpp_sender(Uri.parse("sip:carol@sip.example"))) == "carol@sip.example"


def test_a_component_of_one_domain_has_plain_names() -> None:
    found = naming(Attachment("phones.xmpp.example", "example.net"))
    jid = found.xmpp_sender(Uri.parse("sip:romeo@example.net"))
    assert str(jid) == "romeo@phones.xmpp.example"
    assert str(found.sip_recipient(jid)) == "sip:romeo@example.net"
    assert found.attached("example.net")
    assert not found.attached("other.example")
    with pytest.raises(Unmappable):
        found.xmpp_sender(Uri.parse("sip:x@other.example"))


@pytest.mark.spec("ADDR-22")
@pytest.mark.parametrize(
    ("attachments", "uri", "answer"),
    [
        ((), "sip:Carol@sip.example", "sip:Carol@sip.example"),
        ((), "sip:C%61rol@sip.example:5070;transport=tcp", "sip:C%61rol@sip.example"),
        ((), "sip:+1-212@sip.example;user=phone", "sip:+1-212@sip.example"),
        ((), "sip:Carol@sip.example;gr=x", "sip:Carol@sip.example;gr=x"),
        ((), "im:Carol@sip.example", "sip:carol@sip.example"),
        ((Attachment("gw.example"),), "sip:Romeo@example.net", "sip:Romeo@example.net"),
        (
            (Attachment("gw.example", "example.net"),),
            "sip:Romeo@example.net",
            "sip:Romeo@example.net",
        ),
    ],
)
def test_who_wrote_is_answered_as_he_spells_himself(
    attachments: tuple[Attachment, ...], uri: str, answer: str
) -> None:
    found, sender = naming(*attachments), Uri.parse(uri)
    jid = found.xmpp_sender(sender)
    assert str(found.sip_recipient(jid)) != answer or sender.scheme == "im"
    found.heard(jid, sender)
    assert str(found.sip_recipient(jid)) == answer


def test_who_has_no_address_to_be_answered_at_is_not_remembered() -> None:
    found, number = naming(Attachment("gw.example")), Uri.parse("tel:+1-212")
    jid = found.xmpp_sender(number)
    found.heard(jid, number)
    with pytest.raises(Unmappable):
        found.sip_recipient(jid)
