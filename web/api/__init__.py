"""`/api/v1`: each call is a function whose signature declares it, and one line in a route table.

`call.py` says what a call is given and what a route line holds, `input.py` reads and checks what came, `dispatch.py`
makes aiohttp handlers of the lines, `routes.py` puts the tables together. `web/openapi.py` describes the same lines.
"""
