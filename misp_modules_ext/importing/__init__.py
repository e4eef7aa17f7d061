"""From the configurations of other tools to `rh-isac.conf`: what is understood, what becomes of it, what is left to do.

Files are data here: a `config.py` is parsed and never executed. Nothing opens a socket.
"""

from misp_modules_ext.importing.read import Import, Kind, read_old

__all__ = ["Import", "Kind", "read_old"]
