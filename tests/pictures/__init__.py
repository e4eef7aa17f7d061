"""Pictures for the documents, drawn from real answers: `python -m tests.pictures` makes them anew.

Beside each picture stands the text that it was drawn from, whose digest is in the picture. Tests compare the text with
what is answered today, and the digest with the text, so a picture cannot grow old unnoticed.
"""
