"""The commands, one module per group. They read settings, open the store as a guest, and speak Russian."""
