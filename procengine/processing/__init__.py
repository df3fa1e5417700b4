"""Running plugins: how is a plugin loaded, called, fed and cancelled, and what came of it?"""
