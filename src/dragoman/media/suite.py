"""Ciphers of SRTP (RFC 4568 §6.2, RFC 7714 §14), and what is wrong with a packet.

Who has no call needs no libsrtp: it is loaded by `media.srtp`, with the first keys.
"""

from enum import Enum

from dragoman.errors import RemoteError


class SrtpError(RemoteError):
    """A packet was forged, repeated, too late or not SRTP: drop it."""


class Suite(Enum):
    """Ciphers with authentication: name (RFC 4568 §6.2, RFC 7714 §14), bytes of key and salt.

    RFC 6188's AES_256_CM suites are not among them: pylibsrtp has no way to ask for them.
    """

    AES_CM_128_HMAC_SHA1_80 = ("AES_CM_128_HMAC_SHA1_80", 16, 14)
    AES_CM_128_HMAC_SHA1_32 = ("AES_CM_128_HMAC_SHA1_32", 16, 14)
    AEAD_AES_128_GCM = ("AEAD_AES_128_GCM", 16, 12)
    AEAD_AES_256_GCM = ("AEAD_AES_256_GCM", 32, 12)

    def __init__(self, label: str, key: int, salt: int) -> None:
        """Keep them."""
        self.label = label
        self.key = key
        self.salt = salt

    @property
    def length(self) -> int:
        """Bytes of the master key with the master salt behind it."""
        return self.key + self.salt
