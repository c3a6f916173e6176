"""What a failed conversation with a mail server means: the problem, the remedy, try again or not.

The rule of SMTP (RFC 5321, section 4.2.1) decides: an answer of 4xx is for now, 5xx is for good.
"""

import smtplib
import ssl
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What went wrong, what to do about it, and whether another try can help."""

    problem: str
    remedy: str
    retry: bool


def diagnose(error: Exception) -> Diagnosis:
    """Return what `error`, raised by smtplib or the network, means."""
    match error:
        case smtplib.SMTPRecipientsRefused() | smtplib.SMTPResponseException():
            return _diagnose_answer(error)
        case smtplib.SMTPNotSupportedError():
            return _diagnose_missing(error)
        case smtplib.SMTPException():
            problem, remedy = str(error), "check that mail.port is that of an SMTP server"
            return Diagnosis(problem, remedy, retry=True)
        case ssl.SSLError():
            return _diagnose_tls(error)
        case UnicodeError():
            problem = "it takes a login in ASCII only"
            return Diagnosis(problem, "change mail.username or its password", retry=False)
        case _:
            problem, remedy = f"no connection ({error})", "check mail.host, mail.port, the network"
            return Diagnosis(problem, remedy, retry=True)


def readable(answer: bytes | str) -> str:
    """Return a server's answer as one line."""
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return " ".join(text.split())


def _diagnose_answer(
    error: smtplib.SMTPRecipientsRefused | smtplib.SMTPResponseException,
) -> Diagnosis:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        first, (code, text) = next(iter(error.recipients.items()))
        retry = any(code < 500 for code, _ in error.recipients.values())
        problem = f"it refused every recipient, {first} with {code} {readable(text)}"
        return Diagnosis(problem, "check mail.recipients", retry)
    retry = error.smtp_code < 500
    answer = f"{error.smtp_code} {readable(error.smtp_error)}"
    match error:
        case smtplib.SMTPAuthenticationError():
            problem, remedy = "it refused the login", "check mail.username and its password"
        case smtplib.SMTPSenderRefused():
            problem, remedy = f"it refused the sender {error.sender}", "check mail.sender"
        case _:
            problem, remedy = "it refused", "ask whoever runs the server if it stays so"
    return Diagnosis(f"{problem}: {answer}", remedy, retry)


def _diagnose_missing(error: smtplib.SMTPNotSupportedError) -> Diagnosis:
    if "STARTTLS" in str(error):
        problem = "it does not offer STARTTLS, so nothing was sent"
        remedy = "use its TLS port with mail.security = 'tls', or another server"
        return Diagnosis(problem, remedy, retry=False)
    remedy = "check mail.username, mail.security and the characters of the addresses"
    return Diagnosis(str(error), remedy, retry=False)


def _diagnose_tls(error: ssl.SSLError) -> Diagnosis:
    if isinstance(error, ssl.SSLCertVerificationError):
        problem = f"its certificate is not trusted ({error.verify_message})"
        remedy = "set mail.host to a name in the certificate, or trust who signed it"
        return Diagnosis(problem, remedy, retry=False)
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        problem = "it hung up while encryption was set up"
        return Diagnosis(problem, "look at the server's log", retry=True)
    problem = f"no encrypted connection ({error})"
    return Diagnosis(problem, "check that mail.port fits mail.security", retry=False)
