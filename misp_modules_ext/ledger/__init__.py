"""The ledger: what was seen in MISP, what should be at each destination, what is there, and what is due.

SQLAlchemy Core on SQLite (the default), PostgreSQL or MariaDB. The modules: `engine` (addresses, transactions, the
database's clock), `schema` (the tables), `migrate` (to this version's tables, under a lock).
"""
