// The msg2agent protocol for Node, written from docs/protocol.md: keys, records and envelopes.

import crypto from "node:crypto";

const CONTEXTS = [
  "https://www.w3.org/ns/did/v1",
  "https://w3id.org/security/data-integrity/v2",
  "https://w3id.org/security/multikey/v1",
];
const BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const ED25519 = Buffer.from("ed01", "hex");
const X25519 = Buffer.from("ec01", "hex");

export const b64 = (bytes) => Buffer.from(bytes).toString("base64url");
export const unb64 = (text) => Buffer.from(text, "base64url");
export const sha256 = (bytes) => crypto.createHash("sha256").update(bytes).digest();
const now = () => Math.floor(Date.now() / 1000);

function base58(bytes) {
  let number = BigInt(`0x${bytes.toString("hex")}`);
  let text = "";
  for (; number > 0n; number /= 58n) text = BASE58[Number(number % 58n)] + text;
  return text;
}

// For keys and signatures with a known length.
function unbase58(text, length) {
  let number = 0n;
  for (const character of text) number = number * 58n + BigInt(BASE58.indexOf(character));
  return Buffer.from(number.toString(16).padStart(length * 2, "0"), "hex");
}

// RFC 8785: JSON.stringify writes texts and numbers as it demands.
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`);
  return `{${members.join(",")}}`;
}

// Raw keys in the wrapping that Node's crypto takes.
const privateKey = (oid, seed) => crypto.createPrivateKey({
  key: Buffer.concat([Buffer.from(`302e020100300506032b65${oid}04220420`, "hex"), seed]),
  format: "der", type: "pkcs8",
});
const publicKey = (oid, raw) => crypto.createPublicKey({
  key: Buffer.concat([Buffer.from(`302a300506032b65${oid}032100`, "hex"), raw]), format: "der", type: "spki",
});
const rawPublic = (key) => crypto.createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32);
export const sign = (key, ...parts) => crypto.sign(null, Buffer.concat(parts.map((part) => Buffer.from(part))), key);

export class Identity {
  constructor(did) {
    this.did = did;
    this.root = privateKey("70", crypto.randomBytes(32));
    this.signing = privateKey("70", crypto.randomBytes(32));
    this.encryption = privateKey("6e", crypto.randomBytes(32));
  }

  document(subject, other, first, created) {
    const method = (kid, prefix, key) => ({
      id: `${subject}#${kid}`, type: "Multikey", controller: subject,
      publicKeyMultibase: `z${base58(Buffer.concat([prefix, rawPublic(key)]))}`,
    });
    const document = {
      "@context": CONTEXTS, id: subject, alsoKnownAs: [other],
      verificationMethod: [
        method("root", ED25519, this.root),
        method("sig-1", ED25519, this.signing),
        method("enc-1", X25519, this.encryption),
      ],
      authentication: [...first, "sig-1"].map((kid) => `${subject}#${kid}`),
      assertionMethod: [`${subject}#root`],
      keyAgreement: [`${subject}#enc-1`],
    };
    const options = {
      "@context": CONTEXTS, type: "DataIntegrityProof", cryptosuite: "eddsa-jcs-2022", created,
      verificationMethod: `${subject}#root`, proofPurpose: "assertionMethod",
    };
    const proofValue = `z${base58(sign(this.root, proofInput(options, document)))}`;
    return { ...document, proof: { ...options, proofValue } };
  }

  record(card) {
    const jwk = `{"crv":"Ed25519","kty":"OKP","x":"${b64(rawPublic(this.root))}"}`;
    const alias = `${this.did}:e1_${b64(sha256(jwk))}`;
    const created = new Date().toISOString().replace(/\.\d+Z$/, "Z");
    const document = this.document(this.did, alias, [], created);
    return Buffer.from(JSON.stringify({
      document, selfCertifying: this.document(alias, this.did, ["root"], created), card,
    }));
  }
}

const proofInput = (options, document) => Buffer.concat([sha256(canonical(options)), sha256(canonical(document))]);

// The public keys of a record whose documents verify.
export function keysOf(record, did) {
  const { proof: { proofValue, ...options }, ...document } = JSON.parse(record).document;
  if (document.id !== did) throw new Error("the record of somebody else");
  const keys = Object.fromEntries(document.verificationMethod.map((method) => [
    method.id.slice(did.length + 1), unbase58(method.publicKeyMultibase.slice(1), 34).subarray(2),
  ]));
  const signature = unbase58(proofValue.slice(1), 64);
  if (!crypto.verify(null, proofInput(options, document), publicKey("70", keys.root), signature)) {
    throw new Error("the document does not verify");
  }
  return keys;
}

function hchacha20(key, nonce) {
  const words = (bytes) => Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readUInt32LE(index * 4));
  const state = Uint32Array.from([...words(Buffer.from("expand 32-byte k")), ...words(key), ...words(nonce)]);
  const step = (left, right, target, by) => {
    state[left] += state[right];
    const mixed = state[target] ^ state[left];
    state[target] = (mixed << by) | (mixed >>> (32 - by));
  };
  const quarter = (a, b, c, d) => {
    step(a, b, d, 16);
    step(c, d, b, 12);
    step(a, b, d, 8);
    step(c, d, b, 7);
  };
  for (let round = 0; round < 10; round += 1) {
    for (let column = 0; column < 4; column += 1) quarter(column, column + 4, column + 8, column + 12);
    for (const diagonal of [[0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14]]) quarter(...diagonal);
  }
  const out = Buffer.alloc(32);
  [...state.slice(0, 4), ...state.slice(12)].forEach((word, index) => out.writeUInt32LE(word, index * 4));
  return out;
}

function cipherOf(create, { key, nonce }, aad) {
  const inner = Buffer.concat([Buffer.alloc(4), nonce.subarray(16)]);
  const cipher = create("chacha20-poly1305", hchacha20(key, nonce.subarray(0, 16)), inner, { authTagLength: 16 });
  return cipher.setAAD(Buffer.from(aad), { plaintextLength: 0 });
}

function padded(length) {
  if (length <= 64) return 64;
  const exponent = Math.floor(Math.log2(length));
  const multiple = 2 ** (exponent - Math.floor(Math.log2(exponent)) - 1);
  return Math.ceil(length / multiple) * multiple;
}

function derive(prk, header) {
  const parts = [Buffer.from("msg2agent/v1/suite1")];
  for (const member of ["from", "to", "skid", "rkid", "id"]) {
    const part = Buffer.from(header[member]);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(part.length);
    parts.push(length, part);
  }
  // HKDF-Expand, because Node's hkdf begins with Extract.
  const info = Buffer.concat(parts);
  let [block, okm] = [Buffer.alloc(0), Buffer.alloc(0)];
  for (let count = 1; okm.length < 88; count += 1) {
    block = crypto.createHmac("sha256", prk).update(block).update(info).update(Buffer.from([count])).digest();
    okm = Buffer.concat([okm, block]);
  }
  return { key: okm.subarray(0, 32), nonce: okm.subarray(32, 56), commit: okm.subarray(56, 88) };
}

function extract(own, other, epk, recipient) {
  const shared = crypto.diffieHellman({ privateKey: own, publicKey: publicKey("6e", other) });
  return crypto.createHmac("sha256", Buffer.concat([epk, recipient])).update(shared).digest();
}

export function seal(sender, to, recipient, type, content, more = {}) {
  const ephemeral = privateKey("6e", crypto.randomBytes(32));
  const epk = rawPublic(ephemeral);
  const header = {
    suite: "x25519-xchacha20poly1305", id: more.id ?? messageId(), from: sender.did, to, class: "reliable", type,
    ...(more.re ? { re: more.re } : {}), time: now(), ttl: 3600, skid: "sig-1", rkid: "enc-1", epk: b64(epk),
  };
  const keys = derive(extract(ephemeral, recipient, epk, recipient), header);
  header.commit = b64(keys.commit);
  const protectedText = b64(JSON.stringify(header));
  const json = Buffer.from(JSON.stringify(content));
  const plaintext = Buffer.alloc(padded(4 + json.length));
  plaintext.writeUInt32BE(json.length);
  json.copy(plaintext, 4);
  const cipher = cipherOf(crypto.createCipheriv, keys, protectedText);
  const body = b64(Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]));
  const signature = b64(sign(sender.signing, "msg2agent/v1/envelope\0", `${protectedText}.${body}`));
  const { id, from, class: kind, ttl } = header;
  return { to, from, id, class: kind, ttl, protected: protectedText, body, signature };
}

// A UUIDv7.
function messageId() {
  const bytes = Buffer.concat([Buffer.alloc(6), crypto.randomBytes(10)]);
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

export class Refused extends Error {}

// Header and content. Throws Refused with the word of relay.refuse.
export function open(me, envelope, sender) {
  const header = JSON.parse(unb64(envelope.protected));
  for (const member of ["to", "from", "id", "class", "ttl"]) {
    if (envelope[member] !== header[member]) throw new Refused("header_mismatch");
  }
  const signed = Buffer.from(`msg2agent/v1/envelope\0${envelope.protected}.${envelope.body}`);
  const key = sender[header.skid];
  if (!key || !crypto.verify(null, signed, publicKey("70", key), unb64(envelope.signature))) {
    throw new Refused("bad_signature");
  }
  if (header.to !== me.did) throw new Refused("not_for_us");
  if (now() - header.time > (header.ttl ?? 0) + 300) throw new Refused("not_fresh");
  const epk = unb64(header.epk);
  const keys = derive(extract(me.encryption, epk, epk, rawPublic(me.encryption)), header);
  if (b64(keys.commit) !== header.commit) throw new Refused("undecryptable");
  const body = unb64(envelope.body);
  const decipher = cipherOf(crypto.createDecipheriv, keys, envelope.protected);
  decipher.setAuthTag(body.subarray(-16));
  let plaintext;
  try {
    plaintext = Buffer.concat([decipher.update(body.subarray(0, -16)), decipher.final()]);
  } catch {
    throw new Refused("undecryptable");
  }
  const length = plaintext.readUInt32BE();
  if (plaintext.length !== padded(4 + length)) throw new Refused("malformed");
  return { header, content: JSON.parse(plaintext.subarray(4, 4 + length)) };
}
