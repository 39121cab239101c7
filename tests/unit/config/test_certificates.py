"""A certificate and its key, held against each other, a host's name and a day."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from config.certificates import wrong_certificate, wrong_key
from config.loader import parse
from config.mistakes import WrongSettings
from toolchain.versions import ROOT

HOST = "todo.example.org"
NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
PEM = serialization.Encoding.PEM
CA_KEY, KEY, OTHER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))


def certificate(
    key: ec.EllipticCurvePrivateKey = KEY,
    *,
    names: Sequence[str] = (HOST,),
    signer: ec.EllipticCurvePrivateKey = CA_KEY,
    subject: str = "leaf",
    issuer: str = "authority",
    begins: datetime.datetime = NOW - DAY,
    ends: datetime.datetime = NOW + DAY,
) -> str:
    name, by = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (subject, issuer))
    builder = x509.CertificateBuilder(by, name, key.public_key(), x509.random_serial_number(), begins, ends)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), False)
    return builder.sign(signer, hashes.SHA256()).public_bytes(PEM).decode()


AUTHORITY = certificate(CA_KEY, names=(), subject="authority")


def pem(key: ec.EllipticCurvePrivateKey, password: bytes | None = None) -> str:
    hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, hidden).decode()


@pytest.mark.parametrize(
    "text",
    [
        certificate(),
        certificate() + AUTHORITY,
        certificate(names=["other.example.org", "*.example.org"]),
        certificate(names=["TODO.Example.org"]),
    ],
)
def test_a_certificate_that_browsers_take_is_right(text: str):
    assert list(wrong_certificate(text, HOST, NOW)) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (certificate(ends=NOW - DAY / 2), "it ended on"),
        (certificate(begins=NOW + DAY / 2), "it begins on"),
        (
            certificate() + certificate(CA_KEY, names=(), subject="authority", ends=NOW - DAY / 2),
            "number 2 of its chain",
        ),
        (certificate() + certificate(OTHER, names=(), signer=OTHER, subject="authority"), "number 2 did not sign"),
        (AUTHORITY + certificate(), "number 2 did not sign number 1"),
        (certificate(names=["todo.example.com"]), "is for todo.example.com"),
        (certificate(names=["*.todo.example.org"]), "is for *.todo.example.org"),
        (certificate(names=["*.org"]), "is for *.org"),
        (certificate(names=[]), "is for no name at all"),
    ],
)
def test_a_certificate_that_browsers_refuse_is_told_with_the_reason(text: str, told: str):
    found = list(wrong_certificate(text, HOST, NOW))
    assert any(told in rule for rule in found), found
    for rule in found:
        assert rule.startswith("must ")
        assert "; " in rule, "what to do is said too"


def test_a_key_fits_its_certificate_and_no_other():
    assert list(wrong_key(pem(KEY), certificate())) == []
    assert "is another's" in next(wrong_key(pem(OTHER), certificate()))
    # What is no PEM at all, or has a passphrase, is the secrets' own mistake, and not told besides.
    for key, text in ((pem(KEY, b"passphrase"), certificate()), (certificate(), certificate()), (pem(KEY), "nothing")):
        assert list(wrong_key(key, text)) == []
    assert list(wrong_certificate(pem(KEY), HOST, NOW)) == []


@given(st.text(), st.text())
def test_whatever_is_written_there_is_an_answer_in_words(text: str, key: str):
    for rule in (*wrong_certificate(text, HOST, NOW), *wrong_key(key, text)):
        assert rule.startswith("must ")


IMAGE = "registry.example.org/todo@sha256:" + "0" * 64


def mistakes(text: str, key: str, *, preview: bool = False) -> str:
    settings = {
        "context": "a",
        "backend": {"image": IMAGE},
        "frontend": {"image": IMAGE},
        "ingress": {"host": HOST, "own-certificate": True},
    }
    secrets: dict[str, Any] = {
        "todo-auth-secret": "x" * 32,
        "todo-database-url": "postgresql://a:b@c/d",
        "todo-tls-certificate": text,
        "todo-tls-key": key,
    }
    values = {"hosts": "{}", "todo": json.dumps(settings), **secrets}
    try:
        parse(values, set(secrets), ROOT, preview=preview)
    except WrongSettings as error:
        return str(error)
    return ""


def test_settings_with_a_certificate_that_can_not_serve_are_refused_and_tell_no_key():
    assert mistakes(certificate(), pem(KEY)) == ""
    told = mistakes(certificate(names=["other.example.org"], ends=NOW - DAY / 2), pem(OTHER))
    assert "hearth:todo-tls-certificate must be valid, and it ended on" in told
    assert "is for other.example.org" in told
    assert "hearth:todo-tls-key must be the key of todo-tls-certificate" in told
    assert "BEGIN" not in told
    told = mistakes("nothing", pem(KEY, b"passphrase"))
    assert "one or more certificates in PEM" in told
    assert "without a passphrase" in told
    assert "hearth:todo-tls-key must be the key" in mistakes(certificate(), pem(OTHER), preview=True)
