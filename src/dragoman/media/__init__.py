"""Media of calls: RTP (RFC 3550), its keys (RFC 3711, 4568, 5763), and what carries it."""
