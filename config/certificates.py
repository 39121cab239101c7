"""Whether a certificate and a key can serve pages, seen before they are used: what else shows in a browser alone.

The library of certificates is loaded where there is one to look at: it takes as long as all models of the settings, and
most stacks have none.
"""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.x509 import Certificate

DAY = "%Y-%m-%d"


def certificates_in(text: str) -> Sequence[Certificate]:
    """Return the certificates of a text in PEM, one or more. Raises ValueError where it is none."""
    from cryptography.x509 import load_pem_x509_certificates

    return load_pem_x509_certificates(text.encode())


def private_key_in(text: str) -> PrivateKeyTypes:
    """Return the key of a text in PEM that has no passphrase. Raises ValueError where it is none."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(text.encode(), None)
    except (TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(str(error)) from error


def in_pem(value: str) -> str:
    """Validate certificates in PEM."""
    try:
        certificates_in(value)
    except ValueError:
        raise ValueError(
            "must be one or more certificates in PEM; write it as a block that begins with -----BEGIN CERTIFICATE-----"
        ) from None
    return value


def wrong_certificate(text: str, host: str, now: datetime.datetime) -> Iterator[str]:
    """Tell what is wrong with a chain of certificates in PEM, the pages' own first; each as `rule; remedy`.

    Nothing where it is no PEM: the secret's own rule says so.
    """
    try:
        chain = certificates_in(text)
    except ValueError:
        return
    for number, each in enumerate(chain, 1):
        which = "it" if number == 1 else f"number {number} of its chain"
        if each.not_valid_after_utc <= now:
            yield f"must be valid, and {which} ended on {each.not_valid_after_utc:{DAY}}; have it renewed, and set that"
        elif each.not_valid_before_utc > now:
            day = f"{each.not_valid_before_utc:{DAY}}"
            yield f"must be valid, and {which} begins on {day}; set one that is valid now, or see this computer's clock"
    for number, (each, signer) in enumerate(itertools.pairwise(chain), 1):
        if not _signed_by(each, signer):
            rule = f"must be followed by those who signed it, and number {number + 1} did not sign number {number}"
            yield f"{rule}; put the pages' own first, then each signer in turn"
            break
    names = _names(chain[0])
    if host and not any(_covers(name, host) for name in names):
        rule = f"must be for ingress.host, {host}, and is for {', '.join(names) or 'no name at all'}"
        yield f"{rule}; set one for that name, or correct ingress.host"


def wrong_key(text: str, certificate: str) -> Iterator[str]:
    """Tell what is wrong with a key in PEM that is to be a certificate's; each as `rule; remedy`.

    Nothing where either is no PEM: the secrets' own rules say so.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    try:
        key, own = private_key_in(text), certificates_in(certificate)[0]
    except ValueError:
        return
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != own.public_key().public_bytes(*form):
        yield "must be the key of todo-tls-certificate, and is another's; set both from one place"


def _signed_by(certificate: Certificate, signer: Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        certificate.verify_directly_issued_by(signer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _names(certificate: Certificate) -> Sequence[str]:
    """Return the names that a certificate is for. Browsers have not looked at the common name since 2017 (RFC 6125)."""
    from cryptography.x509 import DNSName, ExtensionNotFound, IPAddress, SubjectAlternativeName

    try:
        found = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    except ExtensionNotFound:
        return ()
    return [*found.get_values_for_type(DNSName), *map(str, found.get_values_for_type(IPAddress))]


def _covers(name: str, host: str) -> bool:
    """Return whether a certificate's name is a host's: `*` stands for one label, the first (RFC 6125, 6.4.3)."""
    name, host = name.lower().rstrip("."), host.lower().rstrip(".")
    if name.startswith("*."):
        first, _, rest = host.partition(".")
        return bool(first) and rest == name[2:]
    return name == host
