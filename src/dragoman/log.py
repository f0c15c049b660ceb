"""Log lines as events with fields: `log.info("stream up", extra=about(remote="a.example"))`."""

from collections.abc import Mapping
from logging import LogRecord

_FIELD = "about"


def about(**fields: object) -> Mapping[str, object]:
    """Return the `extra` of a log call; a field that is None or "" is left out when printed.

    The usual names: peer, sip and jid (the two users), call_id, stanza_id, exchange, reason.
    """
    return {_FIELD: fields}


def fields_of(record: LogRecord) -> dict[str, str]:
    """Return the fields of a record that are worth printing, in the order given."""
    found = getattr(record, _FIELD, {})
    return {name: str(value) for name, value in found.items() if value is not None and value != ""}
