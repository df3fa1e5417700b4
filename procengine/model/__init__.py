"""Values and grammars: what the engine speaks about. No I/O, no thread, no reading of time."""
