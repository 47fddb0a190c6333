// A client of the relay on npm ws, written from docs/protocol.md.
//
// Usage: node client.mjs ROLE with the settings as JSON in M2A_CLIENT, and the folder of the
// installed packages in M2A_MODULES. Prints what it saw as JSON lines.

import { createRequire } from "node:module";

import { Identity, Refused, b64, keysOf, open, seal, sha256, sign, unb64 } from "./protocol.mjs";

const WebSocket = createRequire(`${process.env.M2A_MODULES}/`)("ws");
const RETRY_LATER = new Set([
  "rate_limited", "mailbox_full", "overloaded", "storage_unavailable", "storage_full", "internal", "draining",
]);
const RECONNECT_MS = 200;


const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const say = (what) => console.log(JSON.stringify(what));

class Disconnected extends Error {}

class RelayError extends Error {
  constructor(error) {
    super(error.message);
    this.data = error.data;
  }
}

// One WebSocket: requests and their answers, and whatever else the relay sends.
class Connection {
  constructor(socket, onNotification) {
    this.socket = socket;
    this.waiting = new Map();
    this.nextId = 1;
    socket.on("message", (text) => this.handle(JSON.parse(text), onNotification));
    socket.on("error", () => {});
    socket.on("close", () => {
      for (const { fail } of this.waiting.values()) fail(new Disconnected());
      this.waiting.clear();
    });
  }

  static open({ url, key }, onNotification) {
    const socket = new WebSocket(url, ["msg2agent.v1"], {
      headers: { Authorization: `Bearer ${key}` }, perMessageDeflate: false, maxPayload: 1 << 20,
    });
    const connection = new Connection(socket, onNotification);
    return new Promise((done, fail) => {
      socket.once("open", () => done(connection));
      socket.once("close", () => fail(new Disconnected()));
    });
  }

  handle(frame, onNotification) {
    if (frame.method) return onNotification(frame.method, frame.params);
    const waiting = this.waiting.get(frame.id);
    this.waiting.delete(frame.id);
    return frame.error ? waiting?.fail(new RelayError(frame.error)) : waiting?.done(frame.result);
  }

  get isOpen() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  request(method, params) {
    if (!this.isOpen) return Promise.reject(new Disconnected());
    const id = this.nextId;
    this.nextId += 1;
    return new Promise((done, fail) => {
      this.waiting.set(id, { done, fail });
      this.send({ id, method, params });
    });
  }

  send(frame) {
    if (this.isOpen) this.socket.send(JSON.stringify({ jsonrpc: "2.0", ...frame }));
  }
}

// An agent that stays connected, keeps its order, and remembers what it processed.
class Client {
  constructor(settings) {
    this.settings = settings;
    this.me = new Identity(settings.did);
    this.card = { name: settings.name, capabilities: [{ id: "echo", name: "Echo" }] };
    this.deliveries = [];
    this.records = new Map();
    this.processed = new Set();
    this.reconnects = -1;
  }

  async connected() {
    while (!this.connection?.isOpen) {
      try {
        const opened = await Connection.open(this.settings, (method, params) => this.notified(method, params));
        this.session = await this.register(opened);
        this.connection = opened;
        this.reconnects += 1;
      } catch (error) {
        if (!(error instanceof Disconnected)) throw error;
        await pause(RECONNECT_MS);
      }
    }
    return this.connection;
  }

  async register(connection) {
    const { did } = this.me;
    const { nonce, domain } = await connection.request("relay.challenge", { did });
    const record = this.me.record(this.card);
    const parts = ["msg2agent/v1/register", "\0", domain, "\0", unb64(nonce), sha256(record)];
    const signature = b64(sign(this.me.signing, ...parts));
    return connection.request("relay.register", { did, record: b64(record), kid: "sig-1", signature });
  }

  notified(method, params) {
    if (method === "relay.deliver") this.deliveries.push(params);
  }

  // The same request until it is answered: after a lost connection, and when it may succeed later.
  async request(method, params) {
    for (;;) {
      try {
        return await (await this.connected()).request(method, params);
      } catch (error) {
        const later = error instanceof RelayError && RETRY_LATER.has(error.data.reason);
        if (!(error instanceof Disconnected) && !later) throw error;
        await pause(later ? (error.data.retryAfterMs ?? 1000) : RECONNECT_MS);
      }
    }
  }

  // Waits until discovery shows the agent online, then keeps its keys.
  async find(did) {
    for (;;) {
      const page = await this.request("relay.discover", { capability: "echo" });
      if (page.agents.some((found) => found.did === did && found.online)) return this.keys(did);
      await pause(RECONNECT_MS);
    }
  }

  async keys(did) {
    if (!this.records.has(did)) {
      const { record } = await this.request("relay.lookup", { did });
      this.records.set(did, keysOf(unb64(record), did));
    }
    return this.records.get(did);
  }

  async send(to, type, text, more) {
    const keys = await this.keys(to);
    const envelope = seal(this.me, to, keys["enc-1"], type, { contentType: "text/plain", content: text }, more);
    const { status } = await this.request("message.send", envelope);
    return { id: envelope.id, status };
  }

  // The next new message; a repetition is acknowledged.
  async receive() {
    for (;;) {
      const delivery = this.deliveries.shift();
      if (!delivery) {
        await this.connected();
        await pause(5);
        continue;
      }
      try {
        const opened = open(this.me, delivery.envelope, await this.keys(delivery.envelope.from));
        const key = `${opened.header.from} ${opened.header.id}`;
        if (!this.processed.has(key)) {
          this.processed.add(key);
          return { ...opened, delivery };
        }
        this.settle("relay.ack", delivery);
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        this.settle("relay.refuse", delivery, { reason: error.message });
      }
    }
  }

  // A delivery of another epoch comes again.
  settle(method, { epoch, seq }, more = {}) {
    if (this.session.epoch === epoch) this.connection.send({ method, params: { epoch, seq, ...more } });
  }
}

// Sends numbered requests in order and collects the answers.
async function ask(settings) {
  const client = new Client(settings);
  await client.find(settings.peer);
  const [asked, statuses, answers] = [[], new Set(), []];
  for (let number = 0; number < settings.count; number += 1) {
    const { id, status } = await client.send(settings.peer, "request", `${number}`);
    asked.push(id);
    statuses.add(status);
    if (number % 20 === 0) say({ sent: number });
  }
  while (answers.length < settings.count) {
    const { header, content, delivery } = await client.receive();
    answers.push([header.re, content.content]);
    client.settle("relay.ack", delivery);
  }
  const inOrder = answers.every(([re, text], number) => re === asked[number] && text === `echo ${number}`);
  say({ answers: answers.length, inOrder, statuses: [...statuses].sort(), reconnects: client.reconnects });
}

// Answers numbered requests, each once and in their order.
async function answer(settings) {
  const client = new Client(settings);
  await client.connected();
  say({ online: true, limits: client.session.limits, features: client.session.features });
  const heard = [];
  while (heard.length < settings.count) {
    const { header, content, delivery } = await client.receive();
    heard.push(content.content);
    await client.send(header.from, "response", `echo ${content.content}`, { re: header.id });
    client.settle("relay.ack", delivery);
  }
  const inOrder = heard.every((text, number) => text === `${number}`);
  say({ heard: heard.length, inOrder, reconnects: client.reconnects });
  // The last acknowledgement must reach the relay.
  await client.request("relay.discover", {});
}

await { ask, answer }[process.argv[2]](JSON.parse(process.env.M2A_CLIENT));
process.exit(0);
