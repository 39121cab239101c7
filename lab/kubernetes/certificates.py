"""The cluster's own certificate authority, and what it signs: pure functions over PEM texts."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Iterable

# A lab lives for hours; its machine's clock may be put forward by a test.
LIFETIME = datetime.timedelta(days=3650)


@dataclass(frozen=True)
class Pair:
    """A private key and what makes it public: a certificate, or the bare public key. Both are PEM texts."""

    key: str
    public: str


def service_account_pair() -> Pair:
    """Return the key with which the API server signs service accounts' tokens."""
    key = ec.generate_private_key(ec.SECP256R1())
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return Pair(_private(key), key.public_key().public_bytes(serialization.Encoding.PEM, form).decode())


def make_authority() -> Pair:
    """Return a new certificate authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("hearth-lab-kubernetes", ())
    constraints = x509.BasicConstraints(ca=True, path_length=0)
    builder = _begin(name, name, key).add_extension(constraints, critical=True)
    builder = builder.add_extension(_usage(signs=True), critical=True)
    return Pair(_private(key), _pem(builder.sign(key, hashes.SHA256())))


def issue(authority: Pair, name: str, *, groups: Iterable[str] = (), server_names: Iterable[str] = ()) -> Pair:
    """Return a key and a certificate for a client, and for a server where it has names (or addresses).

    `name` and `groups` are what Kubernetes takes for the user and its groups (common name, organisations).
    """
    key = ec.generate_private_key(ec.SECP256R1())
    signer = serialization.load_pem_private_key(authority.key.encode(), None)
    parent = x509.load_pem_x509_certificate(authority.public.encode())
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    names = [_server_name(text) for text in server_names]
    purposes = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if names else [])]
    builder = _begin(_name(name, groups), parent.subject, key)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return Pair(_private(key), _pem(builder.sign(signer, hashes.SHA256())))


def kubeconfig(server: str, authority: str, pair: Pair, user: str, context: str = "hearth-lab") -> str:
    """Return a kubeconfig with everything in it: one cluster, one user, one context. JSON, which is YAML as well."""
    credentials = {"client-certificate-data": _base64(pair.public), "client-key-data": _base64(pair.key)}
    place = {"server": server, "certificate-authority-data": _base64(authority)}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": context, "cluster": place}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": context, "context": {"cluster": context, "user": user}}],
        "current-context": context,
    }
    return json.dumps(content, indent=2) + "\n"


def _server_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _name(common: str, organisations: Iterable[str]) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in organisations]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _begin(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + LIFETIME)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _private(key: ec.EllipticCurvePrivateKey) -> str:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
