"""The Python SDK, which holds every structured answer against the schema that its tool announces."""

import asyncio
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

KANBAN, HOME = sys.argv[1:3]


async def main() -> None:
    program = StdioServerParameters(command=KANBAN, args=["--home", HOME, "mcp"])
    async with stdio_client(program) as (reading, writing), ClientSession(reading, writing) as session:
        welcome = await session.initialize()
        info = getattr(welcome, "serverInfo", None) or welcome.server_info
        assert info.name == "kanban", welcome
        assert "kanban" in welcome.instructions
        tools = {tool.name: tool for tool in (await session.list_tools()).tools}
        assert {"kanban_show", "kanban_create", "kanban_unblock"} <= set(tools), sorted(tools)
        calls = 0

        async def call(name, **arguments):
            nonlocal calls
            calls += 1
            result = await session.call_tool(name, arguments)
            is_error = getattr(result, "isError", None) if hasattr(result, "isError") else result.is_error
            content = getattr(result, "structuredContent", None) if hasattr(result, "structuredContent") else result.structured_content
            return is_error, content, result.content[0].text

        _, made, _ = await call("kanban_create", title="--json", body="from python", skill=["a", "b"])
        first = made["task"]["id"]
        _, made, _ = await call("kanban_create", title="second", parent=[first], triage=False)
        second = made["task"]["id"]
        assert made["task"]["status"] == "todo", made
        await call("kanban_comment", task_id=first, text="-- ; $(false) `x`")
        await call("kanban_assign", task_id=first, profile="script")
        wrong, _, text = await call("kanban_complete", task_id="t_0000")
        assert wrong and "t_0000" in text, text
        wrong, _, text = await call("kanban_show", task=first)
        assert wrong and "`task_id`" in text, text
        wrong, done, _ = await call("kanban_complete", task_id=first, summary="done", metadata={"n": [1, None]})
        assert not wrong and done["kept"] is False, done
        _, shown, _ = await call("kanban_show", task_id=first)
        assert shown["task"]["title"] == "--json" and shown["comments"][0]["body"] == "-- ; $(false) `x`", shown
        assert shown["runs"][0]["metadata"] == {"n": [1, None]}, shown
        _, why, _ = await call("kanban_why", task_id=second)
        assert why["status"] == "ready", why
        _, page, _ = await call("kanban_list", limit=1)
        _, rest, _ = await call("kanban_list", after=page["next_after"])
        assert len(page["tasks"]) + len(rest["tasks"]) == 2, (page, rest)
        await call("kanban_context", task_id=first)
        await call("kanban_attachments", task_id=first)
        print(f"python: {len(tools)} tools, {calls} calls")


asyncio.run(main())
