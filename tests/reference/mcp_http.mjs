// The TypeScript SDK, by HTTP to the gateway's socket through a forwarder on loopback.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const socket = process.argv[2];
for (let waited = 0; !existsSync(socket); waited += 50) {
    assert(waited < 20_000, 'the gateway never listened');
    await pause(50);
}
const forwarder = createServer((from) => {
    const to = connect(socket);
    from.pipe(to).pipe(from);
    from.on('error', () => to.destroy());
    to.on('error', () => from.destroy());
});
await new Promise((listening) => forwarder.listen(0, '127.0.0.1', listening));
const address = new URL(`http://127.0.0.1:${forwarder.address().port}/mcp`);

const client = new Client({ name: 'reference', version: '1' });
await client.connect(new StreamableHTTPClientTransport(address));
assert.equal(client.getServerVersion().name, 'kanban');
const { tools } = await client.listTools();
assert(tools.some((tool) => tool.name === 'kanban_unblock'));
let calls = 0;
const call = (name, args = {}) => {
    calls += 1;
    return client.callTool({ name, arguments: args });
};
const made = await call('kanban_create', { title: 'over http', body: '--board=other' });
const id = made.structuredContent.task.id;
assert.equal(made.structuredContent.task.body, '--board=other');
// Many at once, each answered with its own.
const said = await Promise.all(Array.from({ length: 20 }, (_, at) => call('kanban_comment', { task_id: id, text: `n${at}` })));
assert(said.every((result) => !result.isError));
const shown = (await call('kanban_show', { task_id: id })).structuredContent;
assert.equal(new Set(shown.comments.map((comment) => comment.body)).size, 20);
const refused = await call('kanban_unblock', { task_id: id });
assert(refused.isError && refused.content[0].text.includes(id), JSON.stringify(refused));
await assert.rejects(call('kanban_nothing'), /there is no tool/);
await client.close();
forwarder.close();
console.log(`typescript: ${tools.length} tools, ${calls} calls`);
process.exit(0);
