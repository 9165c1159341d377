"""Shared mailbox: letters come in by IMAP, answers go out by SMTP in the same thread.

`mailbox` speaks IMAP, `mime` and `headers` take a raw letter apart without loading it into memory, `parse` makes an
`Inbound` of it, `robots` tells people from machines, `render` and `send` write the answer, `connector` holds it all.
"""
