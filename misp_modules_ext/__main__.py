"""`python -m misp_modules_ext` is `misp-microsoft`."""

from __future__ import annotations

from misp_modules_ext.cli import main

if __name__ == "__main__":
    main()
