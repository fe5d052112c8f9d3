"""Throw-away keys and certificates: a CA, a server for loopback and an APNs client. Nothing outside trusts them."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
LIFETIME = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Certified:
    """A certificate and its private key."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def key_pem(self) -> bytes:
        return private_pem(self.key)

    def pkcs12(self, password: str) -> bytes:
        """Certificate and key in one password-protected file, as Apple's keychain exports them."""
        encryption = BestAvailableEncryption(password.encode())
        return pkcs12.serialize_key_and_certificates(b"apns", self.key, self.certificate, None, encryption)


def new_ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def new_rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def private_pem(key: PrivateKey) -> bytes:
    """PKCS #8, unencrypted: the form of Apple's .p8 files and of Google's service accounts."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def make_authority() -> Certified:
    """A CA of its own for each directory."""
    key = new_ec_key()
    name = _name("Tocsin sandbox CA")
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    builder = (
        _builder(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return Certified(key, builder.sign(key, hashes.SHA256()))


def make_server(authority: Certified, host: str) -> Certified:
    """A server certificate for loopback, by name and by address, and for ``host``."""
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    names += [name for name in [_general_name(host)] if name not in names]
    return _issue(authority, _name("localhost"), ExtendedKeyUsageOID.SERVER_AUTH, x509.SubjectAlternativeName(names))


def make_apns_client(authority: Certified, topic: str) -> Certified:
    """An APNs provider certificate: like Apple's, it has the app's id as user id."""
    user = x509.NameAttribute(NameOID.USER_ID, topic)
    name = x509.Name([user, *_name(f"Apple Push Services: {topic}")])
    return _issue(authority, name, ExtendedKeyUsageOID.CLIENT_AUTH)


def serves(certificate: x509.Certificate, host: str) -> bool:
    """Whether it is the certificate of a server at this name or address."""
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return _general_name(host) in list(names)


def is_for_topic(certificate: x509.Certificate, topic: str) -> bool:
    """Whether it is the APNs client certificate of this app id."""
    return topic in [name.value for name in certificate.subject.get_attributes_for_oid(NameOID.USER_ID)]


def _issue(
    authority: Certified,
    subject: x509.Name,
    usage: x509.ObjectIdentifier,
    names: x509.SubjectAlternativeName | None = None,
) -> Certified:
    key = new_ec_key()
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    builder = (
        _builder(subject, authority.certificate.subject, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(issuer_key, critical=False)
    )
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    return Certified(key, builder.sign(authority.key, hashes.SHA256()))


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + LIFETIME)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
