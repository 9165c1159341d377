"""Channels: everything that talks to the outside world of customers.

`contract.py` holds the words that every channel and the router share; each channel is a folder beside it.
"""
