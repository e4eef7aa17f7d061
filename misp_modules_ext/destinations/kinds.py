"""Groups of kinds that a destination holds, or refuses, alike."""

from __future__ import annotations

from misp_modules_ext.model.indicator import Kind

#: Hashes in hexadecimal digits beside MD5, SHA-1 and SHA-256, which every destination holds.
RARE_HASHES = (
    Kind.FILE_SHA224,
    Kind.FILE_SHA384,
    Kind.FILE_SHA512,
    Kind.FILE_SHA512_224,
    Kind.FILE_SHA512_256,
    Kind.FILE_SHA3_224,
    Kind.FILE_SHA3_256,
    Kind.FILE_SHA3_384,
    Kind.FILE_SHA3_512,
    Kind.FILE_IMPHASH,
)
#: Hashes that Graph alone has a word for.
GRAPH_HASHES = (Kind.FILE_AUTHENTIHASH, Kind.FILE_SSDEEP, Kind.FILE_TLSH)
TLS_FINGERPRINTS = (Kind.JA3, Kind.JA3S)
MAIL_TEXTS = (Kind.EMAIL_SUBJECT, Kind.EMAIL_SENDER_NAME, Kind.EMAIL_MESSAGE_ID, Kind.EMAIL_X_MAILER)
COINS = (Kind.BTC, Kind.DASH, Kind.XMR)
ACCOUNTS = (Kind.IBAN, Kind.BIC, Kind.BANK_ACCOUNT_NR, Kind.ABA_RTN, Kind.BIN)
