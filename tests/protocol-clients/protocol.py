"""The msg2agent protocol for Python, written from docs/protocol.md: keys, records, envelopes, proofs."""

import base64
import hashlib
import hmac
import json
import os
import struct
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

CONTEXTS = [
    "https://www.w3.org/ns/did/v1",
    "https://w3id.org/security/data-integrity/v2",
    "https://w3id.org/security/multikey/v1",
]
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
SUITE = "x25519-xchacha20poly1305"
SKEW_SECONDS = 300


class Refused(Exception):
    """A message that this agent cannot open, with the word of `relay.refuse`."""


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if b64(data) != text:
        raise ValueError("not canonical base64url")
    return data


def base58(data: bytes) -> str:
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = BASE58[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def unbase58(text: str) -> bytes:
    number = 0
    for character in text:
        number = number * 58 + BASE58.index(character)
    zeros = len(text) - len(text.lstrip("1"))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")


def canonical(value) -> bytes:
    """RFC 8785 for values without fractions, which is all that is signed here."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def multikey(prefix: bytes, key: bytes) -> str:
    return "z" + base58(prefix + key)


def raw(key) -> bytes:
    return key.public_bytes_raw()


def message_id() -> str:
    """A UUIDv7."""
    data = bytearray(int(time.time() * 1000).to_bytes(6, "big") + os.urandom(10))
    data[6] = data[6] & 0x0F | 0x70
    data[8] = data[8] & 0x3F | 0x80
    text = data.hex()
    return "-".join([text[:8], text[8:12], text[12:16], text[16:20], text[20:]])


class Identity:
    """The keys of one agent."""

    def __init__(self, did: str, root: bytes, signing: bytes, encryption: bytes):
        self.did = did
        self.root = Ed25519PrivateKey.from_private_bytes(root)
        self.signing = Ed25519PrivateKey.from_private_bytes(signing)
        self.encryption = X25519PrivateKey.from_private_bytes(encryption)

    @classmethod
    def generate(cls, did: str) -> "Identity":
        return cls(did, os.urandom(32), os.urandom(32), os.urandom(32))

    @classmethod
    def from_key_file(cls, text: str) -> "Identity":
        file = json.loads(text)
        seeds = [file["root"], file["signing"][-1]["seed"], file["encryption"][-1]["seed"]]
        return cls(file["did"], *[unb64(seed) for seed in seeds])

    def thumbprint(self) -> str:
        jwk = '{"crv":"Ed25519","kty":"OKP","x":"%s"}' % b64(raw(self.root.public_key()))
        return b64(hashlib.sha256(jwk.encode()).digest())

    def document(self, subject: str, other: str, first: list, created: str) -> dict:
        def method(kid, key):
            return {"id": f"{subject}#{kid}", "type": "Multikey", "controller": subject, "publicKeyMultibase": key}

        document = {
            "@context": CONTEXTS, "id": subject, "alsoKnownAs": [other],
            "verificationMethod": [
                method("root", multikey(b"\xed\x01", raw(self.root.public_key()))),
                method("sig-1", multikey(b"\xed\x01", raw(self.signing.public_key()))),
                method("enc-1", multikey(b"\xec\x01", raw(self.encryption.public_key()))),
            ],
            "authentication": [f"{subject}#{kid}" for kid in [*first, "sig-1"]],
            "assertionMethod": [f"{subject}#root"],
            "keyAgreement": [f"{subject}#enc-1"],
        }
        options = {
            "@context": CONTEXTS, "type": "DataIntegrityProof", "cryptosuite": "eddsa-jcs-2022",
            "created": created, "verificationMethod": f"{subject}#root", "proofPurpose": "assertionMethod",
        }
        signature = self.root.sign(proof_input(options, document))
        return {**document, "proof": {**options, "proofValue": "z" + base58(signature)}}

    def record(self, card: dict, now: float | None = None) -> bytes:
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now or time.time()))
        alias = f"{self.did}:e1_{self.thumbprint()}"
        return json.dumps({
            "document": self.document(self.did, alias, [], created),
            "selfCertifying": self.document(alias, self.did, ["root"], created),
            "card": card,
        }).encode()

    def answer_challenge(self, domain: str, nonce: bytes, record: bytes) -> bytes:
        parts = [b"msg2agent/v1/register", b"\0", domain.encode(), b"\0", nonce, hashlib.sha256(record).digest()]
        return self.signing.sign(b"".join(parts))


def proof_input(options: dict, document: dict) -> bytes:
    return hashlib.sha256(canonical(options)).digest() + hashlib.sha256(canonical(document)).digest()


def keys_of(record: bytes, did: str) -> dict:
    """The public keys of a record whose documents verify."""
    document = dict(json.loads(record)["document"])
    options = dict(document.pop("proof"))
    signature = unbase58(options.pop("proofValue")[1:])
    if document["id"] != did:
        raise ValueError("the record of somebody else")
    keys = {}
    for method in document["verificationMethod"]:
        keys[method["id"].removeprefix(f"{did}#")] = unbase58(method["publicKeyMultibase"][1:])[2:]
    Ed25519PublicKey.from_public_bytes(keys["root"]).verify(signature, proof_input(options, document))
    return keys


def rotate_left(value: int, by: int) -> int:
    return (value << by | value >> (32 - by)) & 0xFFFFFFFF


def hchacha20(key: bytes, nonce: bytes) -> bytes:
    state = list(struct.unpack("<4I", b"expand 32-byte k") + struct.unpack("<8I", key) + struct.unpack("<4I", nonce))

    def quarter(a, b, c, d):
        for left, right, target, by in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)]:
            state[left] = (state[left] + state[right]) & 0xFFFFFFFF
            state[target] = rotate_left(state[target] ^ state[left], by)

    for _ in range(10):
        for column in range(4):
            quarter(column, column + 4, column + 8, column + 12)
        for a, b, c, d in [(0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]:
            quarter(a, b, c, d)
    return struct.pack("<8I", *state[:4], *state[12:])


def xchacha(key: bytes, nonce: bytes) -> tuple:
    return ChaCha20Poly1305(hchacha20(key, nonce[:16])), b"\0\0\0\0" + nonce[16:]


def padded(length: int) -> int:
    if length <= 64:
        return 64
    exponent = length.bit_length() - 1
    multiple = 1 << (exponent - exponent.bit_length())
    return -(-length // multiple) * multiple


def derive(prk: bytes, header: dict) -> tuple:
    info = b"msg2agent/v1/suite1"
    for member in ["from", "to", "skid", "rkid", "id"]:
        part = header[member].encode()
        info += struct.pack(">H", len(part)) + part
    okm = HKDFExpand(hashes.SHA256(), 88, info).derive(prk)
    return okm[:32], okm[32:56], okm[56:]


def extract(shared: bytes, epk: bytes, recipient: bytes) -> bytes:
    if shared == bytes(32):
        raise Refused("small_order_key")
    return hmac.new(epk + recipient, shared, hashlib.sha256).digest()


def seal(sender: Identity, to: str, recipient_key: bytes, kind: str, content: dict, **more) -> tuple:
    """An envelope and its prk. `more` may hold id, time, ttl, re, thread, class and ephemeral."""
    ephemeral = X25519PrivateKey.from_private_bytes(more.get("ephemeral") or os.urandom(32))
    epk = raw(ephemeral.public_key())
    shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(recipient_key))
    header = {
        "suite": SUITE, "id": more.get("id") or message_id(), "from": sender.did, "to": to,
        "class": more.get("class", "reliable"), "type": kind,
    }
    header.update({member: more[member] for member in ["thread", "re"] if more.get(member)})
    header["time"] = more.get("time") or int(time.time())
    if header["class"] == "reliable":
        header["ttl"] = more.get("ttl", 3600)
    header.update({"skid": "sig-1", "rkid": "enc-1", "epk": b64(epk)})
    prk = extract(shared, epk, recipient_key)
    key, nonce, commit = derive(prk, header)
    header["commit"] = b64(commit)
    protected = b64(json.dumps(header, separators=(",", ":")).encode())
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
    plaintext = (struct.pack(">I", len(text)) + text).ljust(padded(4 + len(text)), b"\0")
    cipher, nonce = xchacha(key, nonce)
    body = b64(cipher.encrypt(nonce, plaintext, protected.encode()))
    signature = sender.signing.sign(b"msg2agent/v1/envelope\0" + f"{protected}.{body}".encode())
    outer = {member: header[member] for member in ["to", "from", "id", "class", "ttl"] if member in header}
    return {**outer, "protected": protected, "body": body, "signature": b64(signature)}, prk


def open_envelope(me: Identity, envelope: dict, sender: dict) -> tuple:
    """Header and content. Raises Refused."""
    try:
        header = json.loads(unb64(envelope["protected"]))
    except ValueError:
        raise Refused("malformed") from None
    if any(envelope.get(member) != header.get(member) for member in ["to", "from", "id", "class", "ttl"]):
        raise Refused("header_mismatch")
    try:
        key = Ed25519PublicKey.from_public_bytes(sender[header["skid"]])
        signed = b"msg2agent/v1/envelope\0" + f"{envelope['protected']}.{envelope['body']}".encode()
        key.verify(unb64(envelope["signature"]), signed)
    except (KeyError, ValueError, InvalidSignature):
        raise Refused("bad_signature") from None
    if header["to"] != me.did:
        raise Refused("not_for_us")
    if time.time() - header["time"] > header.get("ttl", 0) + SKEW_SECONDS:
        raise Refused("not_fresh")
    if header["rkid"] != "enc-1":
        raise Refused("undecryptable")
    epk = unb64(header["epk"])
    shared = me.encryption.exchange(X25519PublicKey.from_public_bytes(epk))
    prk = extract(shared, epk, raw(me.encryption.public_key()))
    return header, decrypt(envelope, header, prk)


def decrypt(envelope: dict, header: dict, prk: bytes) -> dict:
    key, nonce, commit = derive(prk, header)
    if b64(commit) != header["commit"]:
        raise Refused("undecryptable")
    cipher, nonce = xchacha(key, nonce)
    try:
        plaintext = cipher.decrypt(nonce, unb64(envelope["body"]), envelope["protected"].encode())
    except Exception:
        raise Refused("undecryptable") from None
    length = struct.unpack(">I", plaintext[:4])[0]
    if len(plaintext) != padded(4 + length) or any(plaintext[4 + length:]):
        raise Refused("malformed")
    return json.loads(plaintext[4:4 + length])
