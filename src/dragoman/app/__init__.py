"""The wiring (floor 4): configuration, command line, logs, and the services of a gateway."""
