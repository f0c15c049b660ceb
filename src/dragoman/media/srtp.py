"""Encrypted packets of RTP and RTCP (RFC 3711, RFC 7714), by libsrtp."""

from typing import Final

from pylibsrtp import Error, Policy, Session
from pylibsrtp._binding import ffi  # type: ignore[import-not-found]

from dragoman.errors import LocalError
from dragoman.media.suite import SrtpError, Suite

WINDOW: Final = 1024
"""Packets that may come late, and are known from repetitions (RFC 3711 §3.3.2: at least 64)."""
MOST_SOURCES: Final = 256
"""SSRCs with a context of their own, each way; packets of more are refused."""
LONGEST: Final = 4096
"""Bytes of the largest packet: more than any link carries in one piece, most of them 1472."""
_ADDED: Final = 148
"""Bytes that libsrtp may add to one."""


_PROFILES: Final = {
    Suite.AES_CM_128_HMAC_SHA1_80: Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    Suite.AES_CM_128_HMAC_SHA1_32: Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
    Suite.AEAD_AES_128_GCM: Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    Suite.AEAD_AES_256_GCM: Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
}


class Srtp:
    """Both directions of one SRTP session: any SSRC, but at most MOST_SOURCES each way."""

    __slots__ = ("_heard", "_inbound", "_outbound", "_told", "suite")

    def __init__(
        self, suite: Suite, ours: bytes, theirs: bytes, theirs_suite: Suite | None = None
    ) -> None:
        """Send with `ours`, the master key with its salt, and read what was sent with `theirs`.

        Raises LocalError where one has not the length that `suite` wants. `theirs_suite` is how
        they send where that is another.
        """
        self.suite = suite
        self._outbound = _session(suite, ours, Policy.SSRC_ANY_OUTBOUND)
        self._inbound = _session(theirs_suite or suite, theirs, Policy.SSRC_ANY_INBOUND)
        self._told: set[bytes] = set()
        self._heard: set[bytes] = set()

    def protect(self, data: bytes) -> bytes:
        """Return the RTP packet as SRTP; raise SrtpError for what is none, or is too long."""
        source = data[8:12]
        if source not in self._told:
            _admit(self._told, source)
        try:
            return self._outbound.protect(data)
        except (Error, ValueError) as error:
            raise SrtpError(f"SRTP not made: {error}") from error

    def unprotect(self, data: bytes) -> bytes:
        """Return the RTP packet in the SRTP; raise SrtpError for forged and repeated ones."""
        try:
            plain = self._inbound.unprotect(data)
        except (Error, ValueError) as error:
            raise SrtpError(f"SRTP refused: {error}") from error
        source = data[8:12]
        if source not in self._heard:
            self._hear(source)
        return plain

    def protect_rtcp(self, data: bytes) -> bytes:
        """Return the compound RTCP packet as SRTCP; raise SrtpError."""
        source = data[4:8]
        if source not in self._told:
            _admit(self._told, source)
        try:
            return self._outbound.protect_rtcp(data)
        except (Error, ValueError) as error:
            raise SrtpError(f"SRTCP not made: {error}") from error

    def unprotect_rtcp(self, data: bytes) -> bytes:
        """Return the compound RTCP packet in the SRTCP; raise SrtpError."""
        try:
            plain = self._inbound.unprotect_rtcp(data)
        except (Error, ValueError) as error:
            raise SrtpError(f"SRTCP refused: {error}") from error
        source = data[4:8]
        if source not in self._heard:
            self._hear(source)
        return plain

    def _hear(self, source: bytes) -> None:
        # libsrtp makes a context for each source that proves itself: one too many goes again
        try:
            _admit(self._heard, source)
        except SrtpError:
            self._inbound.remove_stream(int.from_bytes(source, "big"))
            raise


def _admit(sources: set[bytes], source: bytes) -> None:
    if len(sources) >= MOST_SOURCES:
        raise SrtpError("SRTP refused: too many sources")
    sources.add(source)


def _session(suite: Suite, key: bytes, ssrc_type: int) -> Session:
    if len(key) != suite.length:
        raise LocalError(f"{suite.label} wants {suite.length} bytes of key and salt")
    policy = Policy(key=bytes(key), ssrc_type=ssrc_type, srtp_profile=_PROFILES[suite])
    policy.window_size = WINDOW
    policy.allow_repeat_tx = True
    session = Session(policy)
    # its own buffer has room for 1500 bytes with what may be added, and so for packets of 1352
    session._cdata = ffi.new("char[]", LONGEST + _ADDED)  # noqa: SLF001 (there is no setting)
    session._buffer = ffi.buffer(session._cdata)  # noqa: SLF001
    return session
