"""The Python MCP client against one of our endpoints: lists, calls a tool, reads a resource. Prints what it saw as JSON.

Usage: calls.py URL MODE, with the API key in M2A_KEY. MODE is legacy, auto or a revision.
"""

import asyncio
import json
import os
import sys

import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client


async def main(url: str, mode: str) -> None:
    headers = {"Authorization": f"Bearer {os.environ['M2A_KEY']}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:
            tools = await client.list_tools()
            sent = await client.call_tool("send_message", {"to": "bob", "text": f"from Python, {mode}"})
            resources = await client.list_resources()
            inbox = await client.read_resource("msg2agent://inbox")
            refused = await client.call_tool("send_message", {"to": "nobody", "text": "x"})
    print(json.dumps({
        "tools": [tool.name for tool in tools.tools],
        "status": sent.structured_content["status"],
        "resources": [str(resource.uri) for resource in resources.resources],
        "inbox": json.loads(inbox.contents[0].text),
        "refused": refused.is_error,
    }))


asyncio.run(main(sys.argv[1], sys.argv[2]))
