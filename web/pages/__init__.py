"""The pages: server-rendered, partials are the same templates that the full page includes.

Every change is a POST to an address of this package that calls the same core function as the API; the answer is a
partial or nothing at all, and the live stream tells all open pages what to load anew. Scripts live in `web/static/js`.
"""
