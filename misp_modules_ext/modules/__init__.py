"""The files that misp-modules loads: `misp-modules -c "$(misp-microsoft modules-path)"`.

Each is a shim that declares itself and delegates; importing it does no work (misp.md 1.4).
"""
