"""The CRM core: people, leads, timeline, calls, tasks, users and rights, as plain functions over a transaction.

Every command and query takes an `Actor`; rights are checked here and nowhere else. Nothing in this room waits, sleeps
or reaches the network: effects are rows that others act on after the commit.
"""
