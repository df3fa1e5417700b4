"""How can the engine's state be looked at while it lives?"""
