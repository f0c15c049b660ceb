"""Disposition notifications (RFC 5438): documents and headers, the RFC's own examples first."""

import pytest

from dragoman.mapping.imdn import NS, Asked, Imdn, ImdnError, Status, asked, words
from dragoman.msrp.cpim import Cpim
from dragoman.store.interface import Disposition

BOTH = Disposition.DELIVERED | Disposition.FAILED

# RFC 5438 §7.1.1.3, a message that asks
IM = (
    "From: Alice <im:alice@example.com>\r\n"
    "To: Bob <im:bob@example.com>\r\n"
    "NS: imdn <urn:ietf:params:imdn>\r\n"
    "imdn.Message-ID: 34jk324j\r\n"
    "DateTime: 2006-04-04T12:16:49-05:00\r\n"
    "imdn.Disposition-Notification: positive-delivery, negative-delivery\r\n"
    "\r\n"
    "Content-type: text/plain\r\n"
    "Content-length: 12\r\n"
    "\r\n"
    "Hello World\n"
)

# RFC 5438 §7.2.1.1, what it is answered with
DELIVERED = """<?xml version="1.0" encoding="UTF-8"?>
   <imdn xmlns="urn:ietf:params:xml:ns:imdn">
        <message-id>34jk324j</message-id>
        <datetime>2008-04-04T12:16:49-05:00</datetime>
        <recipient-uri>im:bob@example.com</recipient-uri>
        <original-recipient-uri
          >im:bob@example.com</original-recipient-uri>
        <delivery-notification>
           <status>
              <delivered/>
           </status>
        </delivery-notification>
      </imdn>
"""
PLAIN = Imdn("34jk324j", "2008-04-04T12:16:49-05:00", Status.DELIVERED, *["im:bob@example.com"] * 2)


def header_lines(*lines: str) -> Cpim:
    head = "".join(f"{line}\r\n" for line in (f"NS: imdn <{NS}>", *lines))
    return Cpim.parse(f"{head}\r\nContent-Type: text/plain\r\n\r\nhi".encode())


def test_the_example_of_the_rfc_is_read_and_what_we_write_reads_alike() -> None:
    assert Imdn.parse(DELIVERED.encode()) == PLAIN
    assert Imdn.parse(PLAIN.encode()) == PLAIN


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (Status.DELIVERED, "delivery"),
        (Status.FAILED, "delivery"),
        (Status.DISPLAYED, "display"),
        (Status.PROCESSED, "processing"),
        (Status.STORED, "processing"),
    ],
)
def test_each_status_has_its_notification(status: Status, kind: str) -> None:
    document = Imdn("m1", "2026-11-26T12:00:00Z", status)
    assert f"<{kind}-notification><status><{status.value}/>".encode() in document.encode()
    assert Imdn.parse(document.encode()) == document


@pytest.mark.parametrize(
    "change",
    [
        ("<delivered/>", "<displayed/>"),
        ("<delivered/>", ""),
        ("<message-id>34jk324j</message-id>", ""),
        ("34jk324j", "x" * 257),
        ("params:xml:ns:imdn", "params:xml:ns:other"),
        ("</imdn>", ""),
        ("<?xml", "<!DOCTYPE imdn [<!ENTITY a 'b'>]><?xml"),
        ("<datetime>", "<datetime>" + "x" * 20_000),
    ],
)
def test_what_is_no_notification_is_refused(change: tuple[str, str]) -> None:
    with pytest.raises(ImdnError):
        Imdn.parse(DELIVERED.replace(*change).encode())


def test_extensions_are_ignored() -> None:
    more = DELIVERED.replace("<delivered/>", "<e xmlns='urn:other'/><delivered/>")
    assert Imdn.parse(more.replace("</imdn>", "<x xmlns='urn:y'/></imdn>").encode()) == PLAIN


def test_the_message_of_the_rfc_asks_for_both_deliveries() -> None:
    assert asked(Cpim.parse(IM.encode())) == Asked("34jk324j", BOTH)


@pytest.mark.parametrize(
    ("value", "dispositions"),
    [
        ("positive-delivery", Disposition.DELIVERED),
        ("negative-delivery", Disposition.FAILED),
        ("display", Disposition.DISPLAYED),
        ("processing", Disposition(0)),
        ("future, DISPLAY ,negative-delivery", Disposition.DISPLAYED | Disposition.FAILED),
    ],
)
def test_dispositions(value: str, dispositions: Disposition) -> None:
    lines = header_lines("imdn.Message-ID: a", f"imdn.Disposition-Notification: {value}")
    assert asked(lines) == Asked("a", dispositions)


def test_what_we_ask_for_reads_alike() -> None:
    for wanted in (BOTH, Disposition.DISPLAYED, BOTH | Disposition.DISPLAYED):
        lines = header_lines(
            "imdn.Message-ID: a", f"imdn.Disposition-Notification: {words(wanted)}"
        )
        assert asked(lines) == Asked("a", wanted)


@pytest.mark.spec("IM-28")
def test_any_prefix_stands_for_the_namespace() -> None:
    lines = (f"NS: n <{NS}>", "n.Message-ID: a", "n.Disposition-Notification: display")
    assert asked(header_lines(*lines)) == Asked("a", Disposition.DISPLAYED)


@pytest.mark.parametrize("line", ["", "imdn.message-id: a", f"imdn.Message-ID: {'a' * 257}"])
def test_without_an_id_nothing_is_asked(line: str) -> None:
    lines = [line] if line else []
    assert asked(header_lines(*lines, "imdn.Disposition-Notification: display")) is None


@pytest.mark.spec("IM-27")
def test_the_route_back_keeps_its_order() -> None:
    uris = ("im:list@example.com", "sip:relay.example.com;lr")
    lines = [f"imdn.IMDN-Record-Route: R <{uri}>" for uri in uris]
    found = asked(header_lines("imdn.Message-ID: a", *lines, "imdn.Original-To: <im:b@c>"))
    assert found == Asked("a", Disposition(0), uris, "im:b@c")


@pytest.mark.parametrize(
    "lines", [["nonsense"], ["<sip:a@b>"] * 9, ["<sip:a@b>", f"<sip:{'a' * 600}@b>"]]
)
def test_a_route_that_is_none_or_too_long_is_not_kept(lines: list[str]) -> None:
    routes = [f"imdn.IMDN-Record-Route: {line}" for line in lines]
    found = asked(header_lines("imdn.Message-ID: a", *routes))
    assert found == Asked("a", Disposition(0))
