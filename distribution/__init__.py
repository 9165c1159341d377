"""Distribution: which seller a contact is put in front of, and why.

`queues.py` holds the rules of a queue, `candidates.py` who may get a contact now, `strategies.py` whose turn it is,
`offers.py` the way from queue to seller, `release.py` what waits and when it moves again.
"""
