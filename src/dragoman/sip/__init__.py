"""SIP (RFC 3261): values, bytes into messages and back, transactions, and where to send."""
