"""How do plugins come from one machine to another?"""
