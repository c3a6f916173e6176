"""Connecting to an OPC UA server: security, login, and what is said when it does not work."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from asyncua import Client, ua
from asyncua.crypto import security_policies
from cryptography import x509

from tankwatch.errors import SettingsError, SourceError
from tankwatch.settings_live import OpcuaSource

_POLICIES = {
    "Basic256Sha256": security_policies.SecurityPolicyBasic256Sha256,
    "Aes128Sha256RsaOaep": security_policies.SecurityPolicyAes128Sha256RsaOaep,
    "Aes256Sha256RsaPss": security_policies.SecurityPolicyAes256Sha256RsaPss,
}
_MODES = {
    "sign": ua.MessageSecurityMode.Sign,
    "sign_and_encrypt": ua.MessageSecurityMode.SignAndEncrypt,
}
_LOGIN = ("BadUserAccessDenied", "BadIdentityTokenRejected", "BadIdentityTokenInvalid")
_TRUST = ("BadCertificate", "BadSecurityChecksFailed", "BadSecurityPolicyRejected")
_PEM = b"-----BEGIN"
# What concerns an operator comes as an error, which is told in words of our own.
logging.getLogger("asyncua").setLevel(logging.CRITICAL)


@asynccontextmanager
async def connected(source: OpcuaSource) -> AsyncIterator[tuple[Client, "asyncio.Future[None]"]]:
    """Open a session; yield the client, and what fails once the line is lost.

    Raises:
        SourceError: there is no session, with the remedy.
        SettingsError: a certificate or a key cannot be read.
    """
    client = Client(source.url, timeout=source.timeout_s)
    lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def on_loss(error: Exception) -> None:
        if not lost.done():
            lost.set_exception(SourceError(explain(error, source)))

    client.connection_lost_callback = on_loss
    try:
        if source.security != "none":
            await _secure(client, source)
        if source.username:
            client.set_user(source.username)
            client.set_password(source.password.get_secret_value())
        await client.connect()
    except SettingsError:
        raise
    except Exception as error:
        raise SourceError(explain(error, source)) from error
    try:
        yield client, lost
    finally:
        client.connection_lost_callback = None
        if lost.done():
            lost.exception()
        # A server that is gone cannot be told goodbye.
        with contextlib.suppress(Exception):
            await asyncio.wait_for(client.disconnect(), source.timeout_s)


def explain(error: BaseException, source: OpcuaSource) -> str:
    """Return why there is no session, and the remedy."""
    where = f"the server {source.url}"
    if isinstance(error, SourceError):
        return str(error)
    reason = str(error) or type(error).__name__
    code = type(error).__name__ if isinstance(error, ua.UaStatusCodeError) else ""
    if code in _LOGIN:
        return f"{where} does not let us in ({code}): set username and password"
    if code.startswith(_TRUST):
        return (
            f"{where} does not accept our certificate or policy ({code}): let it trust "
            "certificate_file, and check policy and security"
        )
    if "endpoint" in reason.casefold():
        return f"{where} offers no such security ({reason}): check policy and security"
    return f"{where} is not there or closed the line ({reason}): check url and firewall"


async def _secure(client: Client, source: OpcuaSource) -> None:
    if not (source.certificate_file and source.key_file):
        message = "security needs our certificate: set certificate_file and key_file"
        raise SettingsError(message)
    try:
        uri = application_uri(Path(source.certificate_file))
    except (OSError, ValueError) as error:
        message = f"certificate_file {source.certificate_file} cannot be read: {error}"
        raise SettingsError(message) from error
    if uri:
        client.application_uri = uri  # servers hold it against the certificate
    await client.set_security(
        _POLICIES[source.policy],
        source.certificate_file,
        source.key_file,
        server_certificate=source.server_certificate_file or None,
        mode=_MODES[source.security],
    )


def application_uri(file: Path) -> str:
    """Return the application's name in a certificate, PEM or DER; empty where there is none."""
    data = file.read_bytes()
    load = x509.load_pem_x509_certificate if data.startswith(_PEM) else _load_der
    try:
        names = load(data).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ""
    found: list[str] = names.value.get_values_for_type(x509.UniformResourceIdentifier)
    return next(iter(found), "")


def _load_der(data: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(data)
