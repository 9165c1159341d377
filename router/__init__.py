"""The router: from a native event to one lead in front of one seller, in one transaction.

`intake.py` makes events durable, `worker.py` claims them, `process.py` handles one; everything that cannot be handled
goes to the quarantine with its reason and can be replayed.
"""
