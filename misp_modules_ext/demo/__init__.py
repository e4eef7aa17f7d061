"""The main job in a minute: emulator, real misp-modules, one event, and the account of it. Loopback only.

`request.json` is a request as MISP sends it for "Download as… > Export To Microsoft"; the event is ours, with values
from documentation ranges.
"""
