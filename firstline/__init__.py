"""Where the rooms are put together: settings, wiring, process roles, command line. Nothing imports this package."""
