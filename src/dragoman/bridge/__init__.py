"""The services: what an event on one side means for the other (floor 3).

A service receives events and acts through the ports of `ports.py`; it opens nothing, awaits
nothing and never asks the time.  `hub.py`, the one async file, joins services to sockets.
"""
