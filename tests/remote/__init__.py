"""Commands reach other servers by the requests of the original's client."""
