"""What MISP sends and stores, parsed once into frozen records, and the gates that decide what may go.

The modules: `coerce` (MISP's many spellings of a number or a flag), `parse` (an event), `requests` (what a module call
holds), `files` (MISP JSON as people keep it), `client` (our own read of an event: the one file that opens sockets to
MISP; with `pages` and `answers`), `selection` (the gates of `[selection]`).
"""
