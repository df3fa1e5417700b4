"""Databases of other servers are read as if they were here, and left as they are."""
