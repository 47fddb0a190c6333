"""A client of the relay on Python's websockets, written from docs/protocol.md.

Usage: client.py ROLE with the settings as JSON in M2A_CLIENT. Prints what it saw as JSON lines.
"""

import asyncio
import json
import os
import sys
import urllib.parse
from http.client import HTTPConnection

import websockets

import protocol
from protocol import Identity, Refused, b64, unb64

RETRY_LATER = {"rate_limited", "mailbox_full", "overloaded", "storage_unavailable", "storage_full", "internal"}
RECONNECT_SECONDS = 0.2


class RelayError(Exception):
    def __init__(self, error: dict):
        super().__init__(error["message"])
        self.data = error["data"]
        self.reason = error["data"]["reason"]


class Disconnected(Exception):
    pass


def say(**what) -> None:
    print(json.dumps(what), flush=True)


class Connection:
    """One WebSocket: requests and their answers, and whatever else the relay sends."""

    def __init__(self, socket, on_notification=None):
        self.socket = socket
        self.waiting = {}
        self.unread = asyncio.Queue()
        self.next_id = 1
        self.on_notification = on_notification or (lambda method, params: None)
        self.reading = asyncio.create_task(self.read())

    @classmethod
    async def open(cls, url: str, key: str, on_notification=None):
        socket = await websockets.connect(
            url, subprotocols=["msg2agent.v1"], additional_headers={"Authorization": f"Bearer {key}"},
            compression=None, max_size=1 << 20, ping_interval=20, proxy=None,
        )
        return cls(socket, on_notification)

    async def read(self):
        try:
            async for text in self.socket:
                self.handle(json.loads(text))
        except websockets.ConnectionClosed:
            pass
        for waiting in self.waiting.values():
            if not waiting.done():
                waiting.set_exception(Disconnected())

    def handle(self, frame: dict):
        if "method" in frame:
            self.on_notification(frame["method"], frame["params"])
        elif frame["id"] is None:
            self.unread.put_nowait(frame["error"])
        elif "error" in frame:
            self.waiting.pop(frame["id"]).set_exception(RelayError(frame["error"]))
        else:
            self.waiting.pop(frame["id"]).set_result(frame["result"])

    async def request(self, method: str, params: dict) -> dict:
        number, self.next_id = self.next_id, self.next_id + 1
        answer = asyncio.get_running_loop().create_future()
        self.waiting[number] = answer
        await self.send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        if self.reading.done() and not answer.done():
            raise Disconnected()
        return await answer

    async def notify(self, method: str, params: dict):
        await self.send({"jsonrpc": "2.0", "method": method, "params": params})

    async def send(self, frame):
        try:
            await self.socket.send(frame if isinstance(frame, (str, bytes)) else json.dumps(frame))
        except websockets.ConnectionClosed:
            raise Disconnected() from None

    async def closed(self) -> int:
        await self.socket.wait_closed()
        return self.socket.close_code


async def register(connection: Connection, me: Identity, card: dict, change=None) -> dict:
    challenge = await connection.request("relay.challenge", {"did": me.did})
    record = me.record(card)
    signature = me.answer_challenge(challenge["domain"], unb64(challenge["nonce"]), record)
    params = {"did": me.did, "record": b64(record), "kid": "sig-1", "signature": b64(signature)}
    return await connection.request("relay.register", {**params, **(change or {})})


class Client:
    """An agent that stays connected, keeps its order, and remembers what it processed."""

    def __init__(self, settings: dict):
        self.settings = settings
        self.me = Identity.generate(settings["did"])
        self.card = {"name": settings["name"], "capabilities": [{"id": "echo", "name": "Echo"}]}
        self.deliveries = asyncio.Queue()
        self.notices = []
        self.records = {}
        self.processed = set()
        self.reconnects = -1
        self.online = None
        self.connection = None

    async def connected(self) -> Connection:
        while self.connection is None or self.connection.reading.done():
            self.connection = None
            try:
                opened = await Connection.open(self.settings["url"], self.settings["key"], self.on_notification)
                self.session = await register(opened, self.me, self.card)
                self.connection = opened
                self.reconnects += 1
            except (OSError, Disconnected, websockets.WebSocketException):
                await asyncio.sleep(RECONNECT_SECONDS)
        return self.connection

    def on_notification(self, method: str, params: dict):
        if method == "relay.deliver":
            self.deliveries.put_nowait(params)
        elif method == "relay.notice":
            self.notices.append(params)

    async def request(self, method: str, params: dict) -> dict:
        """The same request until it is answered: after a lost connection, and when it may succeed later."""
        while True:
            try:
                return await (await self.connected()).request(method, params)
            except Disconnected:
                await asyncio.sleep(RECONNECT_SECONDS)
            except RelayError as error:
                if error.reason != "draining" and error.reason not in RETRY_LATER:
                    raise
                await asyncio.sleep(error.data.get("retryAfterMs", 1000) / 1000)

    async def find(self, did: str):
        """Waits until discovery shows the agent online, then keeps its keys."""
        while True:
            page = await self.request("relay.discover", {"capability": "echo"})
            if any(found["did"] == did and found["online"] for found in page["agents"]):
                return await self.keys(did)
            await asyncio.sleep(RECONNECT_SECONDS)

    async def keys(self, did: str) -> dict:
        if did not in self.records:
            found = await self.request("relay.lookup", {"did": did})
            self.records[did] = protocol.keys_of(unb64(found["record"]), did)
        return self.records[did]

    async def send(self, to: str, kind: str, text: str, **more) -> tuple:
        keys = await self.keys(to)
        content = {"contentType": "text/plain", "content": text}
        envelope, _ = protocol.seal(self.me, to, keys["enc-1"], kind, content, **more)
        answer = await self.request("message.send", envelope)
        return envelope["id"], answer["status"]

    async def receive(self):
        """The next new message as (header, content, delivery); a repetition is acknowledged."""
        while True:
            delivery = await self.delivery()
            envelope = delivery["envelope"]
            try:
                keys = await self.keys(envelope["from"])
                header, content = protocol.open_envelope(self.me, envelope, keys)
            except Refused as refused:
                await self.answer_delivery("relay.refuse", delivery, reason=str(refused))
                continue
            key = (header["from"], header["id"])
            if key in self.processed:
                await self.acknowledge(delivery)
                continue
            self.processed.add(key)
            return header, content, delivery

    async def delivery(self) -> dict:
        """The next delivery. An idle client also reconnects, or nothing reaches it."""
        while True:
            connection = await self.connected()
            arriving = asyncio.create_task(self.deliveries.get())
            await asyncio.wait({arriving, connection.reading}, return_when=asyncio.FIRST_COMPLETED)
            if arriving.done():
                return arriving.result()
            arriving.cancel()

    async def acknowledge(self, delivery: dict):
        await self.answer_delivery("relay.ack", delivery)

    async def answer_delivery(self, method: str, delivery: dict, **more):
        try:
            await (await self.connected()).notify(
                method, {"epoch": delivery["epoch"], "seq": delivery["seq"], **more}
            )
        except Disconnected:
            pass  # It comes again in the next epoch.


async def ask(settings: dict):
    """Sends numbered requests in order and collects the answers."""
    client, count = Client(settings), settings["count"]
    await client.connected()
    await client.find(settings["peer"])
    asked, statuses = [], set()
    for number in range(count):
        sent, status = await client.send(settings["peer"], "request", str(number))
        asked.append(sent)
        statuses.add(status)
        if number % 20 == 0:
            say(sent=number)
    answers = []
    while len(answers) < count:
        header, content, delivery = await client.receive()
        answers.append((header["re"], content["content"]))
        await client.acknowledge(delivery)
    in_order = answers == [(sent, f"echo {number}") for number, sent in enumerate(asked)]
    say(answers=len(answers), inOrder=in_order, statuses=sorted(statuses), reconnects=client.reconnects)


async def answer(settings: dict):
    """Answers numbered requests, each once and in their order."""
    client = Client(settings)
    await client.connected()
    say(online=True, limits=client.session.get("limits"), features=client.session.get("features"))
    heard = []
    while len(heard) < settings["count"]:
        header, content, delivery = await client.receive()
        heard.append(content["content"])
        await client.send(header["from"], "response", f"echo {content['content']}", re=header["id"])
        await client.acknowledge(delivery)
    in_order = heard == [str(number) for number in range(settings["count"])]
    say(heard=len(heard), inOrder=in_order, reconnects=client.reconnects)
    # The last acknowledgement must reach the relay.
    await client.request("relay.discover", {})


async def reason_of(attempt) -> str:
    try:
        await attempt
        return "accepted"
    except RelayError as error:
        return error.reason


def refused_upgrade(settings: dict, key: str, subprotocol: str | None) -> str:
    """The problem body of a refusal before the upgrade."""
    headers = {
        "Authorization": f"Bearer {key}", "Connection": "Upgrade", "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    if subprotocol:
        headers["Sec-WebSocket-Protocol"] = subprotocol
    url = urllib.parse.urlsplit(settings["url"])
    http = HTTPConnection(url.netloc, timeout=10)
    http.request("GET", url.path, headers=headers)
    response = http.getresponse()
    return f"{response.status} {json.load(response)['reason']}"


async def misbehave(settings: dict):
    """Breaks the rules one at a time, and prints how each is answered."""
    seen, me = {}, Identity.generate(settings["did"])
    key, url, card = settings["key"], settings["url"], {"name": "Mallory"}
    seen["a wrong key"] = refused_upgrade(settings, "sk_live_" + "A" * 43, "msg2agent.v1")
    seen["no subprotocol"] = refused_upgrade(settings, key, None)

    connection = await Connection.open(url, key)
    content = {"contentType": "text/plain", "content": "hello"}
    envelope, _ = protocol.seal(me, settings["peer"], protocol.raw(me.encryption.public_key()), "event", content)
    seen["a send before registering"] = await reason_of(connection.request("message.send", envelope))
    seen["another signature"] = await reason_of(register(connection, me, card, {"signature": b64(bytes(64))}))
    seen["a challenge twice"] = await reason_of(connection.request("relay.register", {
        "did": me.did, "record": "", "kid": "sig-1", "signature": b64(bytes(64))}))
    seen["a long name"] = await reason_of(register(connection, me, {"name": "x" * 129}))
    seen["somebody else"] = await reason_of(connection.request("relay.challenge", {"did": settings["peer"]}))
    await register(connection, me, card)

    for name, frame in [
        ("an id that is null", '{"jsonrpc":"2.0","id":null,"method":"relay.discover"}'),
        ("no JSON", "{"),
        ("a member twice", '{"jsonrpc":"2.0","id":1,"id":2,"method":"relay.discover"}'),
        ("a refusal without a word", '{"jsonrpc":"2.0","method":"relay.refuse","params":{"epoch":1,"seq":1}}'),
    ]:
        await connection.send(frame)
        seen[name] = (await connection.unread.get())["data"]["reason"]

    async def sent(**change):
        return await reason_of(connection.request("message.send", {**envelope, **change}))

    seen["params that are null"] = await reason_of(connection.request("relay.discover", None))
    seen["an unknown method"] = await reason_of(connection.request("relay.dance", {}))
    seen["a ttl of 0"] = await sent(ttl=0)
    seen["a ttl of 8 days"] = await sent(ttl=8 * 86_400)
    seen["another sender"] = await sent(**{"from": settings["peer"]})
    seen["nobody"] = await sent(to=settings["peer"] + "x")
    seen["an ephemeral one to somebody away"] = await reason_of(connection.request("message.send", {
        **{member: envelope[member] for member in envelope if member != "ttl"}, "class": "ephemeral"}))
    seen["the first time"] = await sent()
    seen["the same id with another body"] = await sent(body="AAAA")
    await connection.notify("relay.ack", {"epoch": 2**40, "seq": 1})
    seen["an acknowledgement of another epoch"] = await reason_of(connection.request("relay.discover", {}))

    session = await register(connection, me, card)
    await connection.notify("relay.ack", {"epoch": session["epoch"], "seq": 9})
    seen["an acknowledgement of the future"] = await connection.closed()
    connection = await Connection.open(url, key)
    await connection.send(b"binary")
    seen["a binary frame"] = await connection.closed()
    say(seen=seen)


async def refuse(settings: dict):
    """Sends a message that its recipient cannot open, and prints what the relay says of it."""
    client = Client(settings)
    await client.connected()
    await client.find(settings["peer"])
    wrong = protocol.raw(Identity.generate(settings["did"]).encryption.public_key())
    content = {"contentType": "text/plain", "content": "nobody can read this"}
    envelope, _ = protocol.seal(client.me, settings["peer"], wrong, "event", content)
    try:
        answer = await client.request("message.send", envelope)
        while not client.notices:
            await asyncio.sleep(0.05)
        notice = client.notices[0]
        say(answer=answer["status"], outcome=notice["outcome"], word=notice.get("reason"))
    except RelayError as error:
        say(answer=error.reason, outcome="refused", word=error.data.get("refusal"))


async def example(settings: dict):
    """Computes the worked example from its keys, and compares every value that it gets."""
    with open(settings["example"], encoding="utf-8") as file:
        known = json.load(file)["values"]
    alice = Identity.from_key_file(known["alice key file"])
    challenge, record = json.loads(known["challenge result"]), known["record"].encode()
    signature = alice.answer_challenge(challenge["domain"], unb64(challenge["nonce"]), record)
    header = json.loads(known["header"])
    envelope, prk = protocol.seal(
        alice, header["to"], bytes.fromhex(known["recipient key"]), "request", json.loads(known["content"]),
        id=header["id"], time=header["time"], ttl=header["ttl"], thread=header["thread"],
        ephemeral=bytes.fromhex(known["ephemeral secret"]),
    )
    found = {
        "alice alias": f"{alice.did}:e1_{alice.thumbprint()}",
        "registration signature": b64(signature),
        "prk": prk.hex(),
        "protected": envelope["protected"],
        "signature": envelope["signature"],
    }
    keys = protocol.keys_of(record, alice.did)
    same = [name for name, value in found.items() if known[name] == value]
    said = protocol.decrypt(json.loads(known["envelope"]), header, prk)
    say(same=len(same), of=len(found), root=keys["root"].hex() == known["alice root key"], said=said["content"])


ROLES = {"ask": ask, "answer": answer, "misbehave": misbehave, "refuse": refuse, "example": example}
asyncio.run(ROLES[sys.argv[1]](json.loads(os.environ["M2A_CLIENT"])))
