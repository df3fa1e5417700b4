"""How are databases of other servers read as if they were here?

`procengine.attach.attachments` sends queries and writes where they belong, `procengine.attach.attachment` is one such
database, and `procengine.attach.tail` brings the new rows of one of its tables to the triggers here.
"""
