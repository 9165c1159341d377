"""Tables in and out: reading and writing CSV and XLSX, finding what a column means, and imports as jobs.

`reading` → `mapping` → `jobs` (what a person asks for) → `work` and `undo` (what a worker does, piece by piece).
What a kind of record needs is an `ImportKind`; the kinds that there are come in as a registry.
"""
