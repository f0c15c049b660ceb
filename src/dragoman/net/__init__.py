"""The only sockets in the house: DNS, TLS, and drivers that join sans-IO cores to asyncio."""
