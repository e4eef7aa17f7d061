"""MISP's warninglists without MISP: an index on disk, and the one place in which attributes are looked up in it.

Whoever takes an event in asks first (`asking`), and the answer is part of the attribute from then on: gates, ledger and
every later judgement read it there. So all doors have one verdict, and no gate reads a file.
"""
