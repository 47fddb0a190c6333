"""The Python MCP client signs in at the authorization server that one of our endpoints names, and calls a tool. Prints what it saw.

Usage: sign_in.py URL. Prints `open URL` for the person's browser, reads the callback URL from standard input, then prints JSON.
"""

import asyncio
import json
import sys
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp.client.auth import OAuthClientProvider
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata


class Memory:
    """What the client keeps."""

    tokens = None
    client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client_info):
        self.client = client_info


async def show(url: str) -> None:
    print(f"open {url}", flush=True)


async def called_back() -> AuthorizationCodeResult:
    line = await asyncio.to_thread(sys.stdin.readline)
    answer = parse_qs(urlsplit(line.strip()).query)
    return AuthorizationCodeResult(code=answer["code"][0], state=answer["state"][0], iss=answer["iss"][0])


async def main(url: str) -> None:
    memory = Memory()
    metadata = OAuthClientMetadata(
        client_name="Python tests", redirect_uris=["http://127.0.0.1:3999/callback"], token_endpoint_auth_method="none"
    )
    provider = OAuthClientProvider(url, metadata, memory, redirect_handler=show, callback_handler=called_back)
    seen = {}
    async with httpx2.AsyncClient(auth=provider, timeout=60) as http:
        async with Client(streamable_http_client(url, http_client=http), mode="auto") as client:
            me = await client.call_tool("get_self_info", {})
            seen["name"] = me.structured_content["name"]
            seen["registered"] = bool(memory.client.client_id)
            seen["scope"] = memory.tokens.scope
            first = memory.tokens.access_token
            # As if ten minutes had passed: the next request must refresh by itself.
            provider.context.token_expiry_time = 1.0
            again = await client.call_tool("message_count", {})
            seen["total"] = again.structured_content["total"]
            seen["refreshed"] = memory.tokens.access_token != first
    print(json.dumps(seen))


asyncio.run(main(sys.argv[1]))
