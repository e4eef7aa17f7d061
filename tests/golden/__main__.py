"""`python -m tests.golden`: write the tables anew."""

from tests.golden.golden import ATTRIBUTES, BY_TYPE, tables

for path, text in zip((ATTRIBUTES, BY_TYPE), tables(), strict=True):
    path.write_text(text, encoding="utf-8")
