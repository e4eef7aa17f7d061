"""The keys of a destination that say how its application signs in."""

from __future__ import annotations

from misp_modules_ext.config import values
from misp_modules_ext.config.key import Key
from misp_modules_ext.config.settings import Auth

SIGN_IN = (
    Key(
        "tenantId",
        "tenant_id",
        values.tenant,
        "GUID or domain name",
        "The Entra tenant: Azure portal > Microsoft Entra ID > Overview > Tenant ID.",
        instead="required; with `workload-identity` from the environment variable `AZURE_TENANT_ID`",
    ),
    Key(
        "appId",
        "app_id",
        values.guid,
        "GUID",
        "The registered application: Entra ID > App registrations > the application > Application (client) ID. "
        "A managed identity has none.",
        instead="required; with `workload-identity` from the environment variable `AZURE_CLIENT_ID`",
    ),
    Key(
        "appSecret",
        "app_secret",
        values.secret,
        "secret",
        "The value (not the ID) of a client secret of that application: Certificates & secrets > Client secrets.",
        instead="required with `secret`",
        secret=True,
    ),
    Key(
        "auth",
        "auth",
        values.one_of({auth.value: auth for auth in Auth}, "a sign-in"),
        ", ".join(f"`{auth}`" for auth in Auth),
        "How the application signs in: with a client secret, with a certificate, as the managed identity of the Azure "
        "machine that this runs on, or with the token that Kubernetes or another issuer puts into a file.",
        instead="from the keys present: `certificate`, `identityClientId`, `federatedTokenFile`, else `secret`",
    ),
    Key(
        "certificate",
        "certificate",
        values.absolute_path,
        "absolute path",
        "File with the application's certificate and its private key, PEM or PFX. It is read again when it changes.",
        instead="required with `certificate`",
        plain_file=True,
    ),
    Key(
        "certificatePassword",
        "certificate_password",
        values.secret,
        "secret",
        "The passphrase of that key or PFX.",
        instead="none",
        secret=True,
    ),
    Key(
        "identityClientId",
        "identity_client_id",
        values.guid,
        "GUID",
        "The client ID of a user-assigned managed identity: Azure portal > Managed Identities > the identity > "
        "Overview.",
        instead="the system-assigned one",
    ),
    Key(
        "federatedTokenFile",
        "federated_token_file",
        values.absolute_path,
        "absolute path",
        "File with the token of a workload identity. It is read for each sign-in.",
        instead="with `workload-identity` from the environment variable `AZURE_FEDERATED_TOKEN_FILE`",
        plain_file=True,
    ),
)
