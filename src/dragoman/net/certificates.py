"""Our own certificates (RFC 5280, RFC 9525): found by the names inside them, reloaded, or made."""

import logging
import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dragoman.net.trust import a_label, dns_names, matches

log = logging.getLogger(__name__)

PrivateKey: TypeAlias = (
    rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
) | ed448.Ed448PrivateKey

LOOK_AGAIN: Final = 3.0
LARGEST: Final = 1 << 20
RENEW_BEFORE: Final = timedelta(days=30)
LIFE: Final = timedelta(days=3650)
OWN: Final = "self-signed"


@dataclass(frozen=True, slots=True, eq=False)
class Credentials:
    """A certificate with the chain to send and its key; equal only to itself."""

    names: tuple[str, ...]
    chain: tuple[x509.Certificate, ...]
    key: PrivateKey
    origin: str
    expires: datetime

    def covers(self, domain: str) -> bool:
        """Tell whether one of the certificate's names is `domain` (A- or U-labels)."""
        wanted = a_label(domain)
        return any(matches(name, wanted) for name in self.names)


class BadPair(Exception):
    """A certificate file or its key cannot be used; the text says why.

    `ended` is what there is, where the only fault is that its time is over.
    """

    def __init__(self, text: str, ended: Credentials | None = None) -> None:
        """Say it in one sentence."""
        super().__init__(text)
        self.ended = ended


@dataclass(frozen=True, slots=True)
class Report:
    """A pair of the directory, or the self-signed one, as the operator wants to know of it."""

    origin: str
    names: tuple[str, ...] = ()
    expires: datetime | None = None
    """None where the pair could not be read."""
    problem: str = ""
    """Why the files are not used as they are; empty when they are."""


class CertificateStore:
    """Pairs NAME.crt and NAME.key of a directory; with none of use, one self-signed is kept."""

    def __init__(
        self,
        directory: str | Path,
        state_directory: str | Path,
        *,
        names: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Use the pairs in `directory`, which need not exist.

        The self-signed certificate, when one is needed, bears `names` (this host's when empty)
        and is kept in `state_directory`. `clock` counts seconds, `wall` tells the date (aware).
        """
        self._directory = Path(directory)
        self._state = Path(state_directory)
        self._needed = tuple(a_label(name) for name in names) or (_host_name(),)
        self._clock = clock
        self._wall = wall
        self._looked = float("-inf")
        self._seen: tuple[tuple[str, int, int], ...] | None = None
        self._pairs: dict[str, Credentials] = {}
        self._bad: dict[str, BadPair] = {}
        self._own: Credentials | None = None

    def pick(self, domain: str = "") -> Credentials:
        """Return the credentials to show for `domain`: its own name, else a wildcard, else any.

        "Any" is the first pair by file name, or the self-signed certificate when there is none.
        Raises OSError when that one cannot be written.
        """
        now = self._wall()
        wanted = a_label(domain)
        pairs = [pair for pair in self._current() if pair.expires > now]
        exact = (pair for pair in pairs if wanted in pair.names)
        wild = (pair for pair in pairs if pair.covers(wanted))
        return next(exact, None) or next(wild, None) or next(iter(pairs), None) or self._kept(now)

    def covers(self, domain: str) -> bool:
        """Tell whether a pair of the directory, not expired, is for `domain`."""
        now = self._wall()
        return any(pair.expires > now and pair.covers(domain) for pair in self._current())

    def reports(self) -> list[Report]:
        """Return what there is to know of each pair, those that are not used too."""
        pairs = self._current()
        found = [self._report(pair) for pair in pairs]
        for stem in self._bad.keys() - self._pairs.keys():
            bad = self._bad[stem]
            origin, ended = str(self._directory / f"{stem}.crt"), bad.ended
            names, expires = (ended.names, ended.expires) if ended is not None else ((), None)
            found.append(Report(origin, names, expires, str(bad)))
        if self._own is not None:
            found.append(self._report(self._own))
        return sorted(found, key=lambda each: each.origin)

    def describe(self) -> list[dict[str, str | list[str]]]:
        """Return each pair: its origin, names, date of expiry, and why it is not used if so."""
        return [
            {
                "origin": each.origin,
                "names": list(each.names),
                "expires": each.expires.isoformat() if each.expires is not None else "",
                "problem": each.problem,
            }
            for each in self.reports()
        ]

    def _report(self, pair: Credentials) -> Report:
        bad = self._bad.get(Path(pair.origin).stem) if pair is not self._own else None
        return Report(pair.origin, pair.names, pair.expires, str(bad) if bad else "")

    def _current(self) -> list[Credentials]:
        now = self._clock()
        if now - self._looked >= LOOK_AGAIN:
            self._looked = now
            seen = self._files()
            if seen != self._seen:
                self._seen = seen
                self._load(sorted(name[:-4] for name, _, _ in seen if name.endswith(".crt")))
        return list(self._pairs.values())

    def _files(self) -> tuple[tuple[str, int, int], ...]:
        found = []
        try:
            with os.scandir(self._directory) as entries:
                for entry in entries:
                    if entry.name.endswith((".crt", ".key")):
                        stat = entry.stat()
                        found.append((entry.name, stat.st_mtime_ns, stat.st_size))
        except FileNotFoundError:
            return ()
        except OSError as error:
            log.warning("certificates not read: %s: %s", self._directory, error.strerror)
            return self._seen or ()
        return tuple(sorted(found))

    def _load(self, stems: Sequence[str]) -> None:
        """Read every pair anew; one that is broken for now keeps its former contents."""
        pairs: dict[str, Credentials] = {}
        self._bad.clear()
        for stem in stems:
            path = self._directory / f"{stem}.crt"
            try:
                pairs[stem] = load_pair(path, self._wall())
            except BadPair as bad:
                self._bad[stem] = bad
                log.warning("certificate skipped: %s: %s", path, bad)
                if stem in self._pairs:
                    pairs[stem] = self._pairs[stem]
        self._pairs = pairs

    def _kept(self, now: datetime) -> Credentials:
        """Return the self-signed certificate, made anew when it is absent, old or too narrow."""
        own = self._own
        if own is None:
            own = self._read_own(now)
        if own is None or own.expires - now < RENEW_BEFORE:
            own = self._make_own(now)
        self._own = own
        return own

    def _read_own(self, now: datetime) -> Credentials | None:
        path = self._state / f"{OWN}.crt"
        try:
            own = load_pair(path, now)
        except BadPair as bad:
            if path.exists():
                log.warning("certificate made anew: %s: %s", path, bad)
            return None
        return own if all(own.covers(name) for name in self._needed) else None

    def _make_own(self, now: datetime) -> Credentials:
        own = self_signed(self._needed, now)
        self._state.mkdir(parents=True, exist_ok=True)
        key = own.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        _write(self._state / f"{OWN}.key", key, 0o600)
        certificate = own.chain[0].public_bytes(serialization.Encoding.PEM)
        _write(self._state / f"{OWN}.crt", certificate, 0o644)
        return own


def load_pair(path: Path, now: datetime) -> Credentials:
    """Read NAME.crt (the certificate, then its chain) and NAME.key beside it; raise `BadPair`."""
    try:
        chain = tuple(x509.load_pem_x509_certificates(_read(path)))
        names = dns_names(chain[0])
        key = serialization.load_pem_private_key(_read(path.with_suffix(".key")), None)
    except OSError as error:
        raise BadPair(f"{error.filename}: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadPair(f"it does not parse: {error}") from error
    if not isinstance(key, PrivateKey):
        raise BadPair("its key is of a kind that TLS does not use")
    if key.public_key() != chain[0].public_key():
        raise BadPair("its key belongs to another certificate")
    if not names:
        raise BadPair("it names no domain (subjectAltName dNSName)")
    pair = Credentials(names, chain, key, str(path), chain[0].not_valid_after_utc)
    if pair.expires <= now:
        raise BadPair(f"it expired on {pair.expires:%Y-%m-%d}", pair)
    return pair


def self_signed(names: Sequence[str], now: datetime) -> Credentials:
    """Make a key and a certificate for `names` (A-labels) that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    alternatives = x509.SubjectAlternativeName([x509.DNSName(each) for each in names])
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + LIFE)
        .add_extension(alternatives, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Credentials(tuple(names), (certificate,), key, OWN, certificate.not_valid_after_utc)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LARGEST)


def _write(path: Path, data: bytes, mode: int) -> None:
    """Replace a file whole, never readable by more than `mode` allows."""
    draft = path.with_suffix(path.suffix + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
    draft.replace(path)


def _host_name() -> str:
    name = a_label(socket.gethostname())
    return name if name.isascii() and name else "localhost"
