"""How a server's stream to or from the gateway came about, as the server's own log has it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LOGS: Final = {
    "Prosody": Path("/run/lab/log/prosody.debug.log"),
    "ejabberd": Path("/run/lab/ejabberd/ejabberd.log"),
    "self-signed Prosody": Path("/run/lab/log/selfsigned.debug.log"),
}
SASL_SUCCESS: Final = re.compile(r"<success [^>]*xmlns='urn:ietf:params:xml:ns:xmpp-sasl'")
DIALBACK_KEY: Final = re.compile(r"<(db:)?result ")
STARTTLS: Final = re.compile(r"<starttls[ />]")


@dataclass(frozen=True, slots=True)
class Crossing:
    """What authenticated the sending domain, and what kept the stream secret."""

    by: str
    tls: str

    def __str__(self) -> str:
        return f"{self.by}, {self.tls}"


def end_of(server: str) -> int:
    """Return where the log of a server ends now."""
    log = LOGS[server]
    return log.stat().st_size if log.exists() else 0


def crossing(server: str, sender: str, receiver: str, since: int) -> Crossing | None:
    """Return how the last stream from `sender` to `receiver` that the log has was authenticated.

    What the log says before the byte `since` does not count.
    """
    with LOGS[server].open("rb") as log:
        log.seek(since if since <= end_of(server) else 0)
        lines = log.read().decode("utf-8", "replace").splitlines()
    read = _ejabberd if server == "ejabberd" else _prosody
    return read(lines, sender, receiver)


def _prosody(lines: list[str], sender: str, receiver: str) -> Crossing | None:
    said = f"connection {sender}->{receiver} is now authenticated for"
    session = _last(lines, rf"(s2s(?:in|out)\w+)\t\w+\t{re.escape(said)}")
    if session is None:
        return None
    ours = [line for line in lines if session in line]
    return _crossing(ours, lambda line: "Stream encrypted" in line)


def _ejabberd(lines: list[str], sender: str, receiver: str) -> Crossing | None:
    said = rf"authentication {re.escape(sender)} -> {re.escape(receiver)} "
    session = _last(lines, rf"\|(<[\d.]+>)\) Accepted (?:in|out)bound s2s \w+ {said}")
    if session is None:
        return None
    return _crossing(
        [line for line in lines if f"|{session})" in line], lambda line: f"(tls|{session})" in line
    )


def _last(lines: list[str], pattern: str) -> str | None:
    found = [match[1] for line in lines if (match := re.search(pattern, line))]
    return found[-1] if found else None


def _crossing(session: list[str], encrypted: Callable[[str], bool]) -> Crossing:
    def seen(pattern: re.Pattern[str]) -> bool:
        return any(pattern.search(line) for line in session)

    by = "EXTERNAL" if seen(SASL_SUCCESS) else "dialback" if seen(DIALBACK_KEY) else "nothing"
    if not any(encrypted(line) for line in session):
        return Crossing(by, "no TLS")
    return Crossing(by, "STARTTLS" if seen(STARTTLS) else "direct TLS")
