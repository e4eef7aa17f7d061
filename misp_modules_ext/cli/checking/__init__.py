"""What `misp-microsoft check` tries: each destination, each MISP, and this installation, all at once.

Nothing here changes anything, but that the ledger is made on first use. How it is printed is in `cli/check_output.py`.
"""
