"""Which combinations of values did columns have?"""
