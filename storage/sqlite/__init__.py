"""The embedded engine: one SQLite file, opened by apsw."""
