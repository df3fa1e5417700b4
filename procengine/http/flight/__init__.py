"""How do Arrow Flight clients query the engine, on the port of its HTTP API?"""
