// Bolt for JavaScript, unmodified, against the server of tests/fakes: Socket Mode and signed HTTP; commands, mentions,
// edits, threads, buttons, modals with suggestions, shortcuts, the home tab, files, 429, lost answers, refresh and broken
// sockets.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import bolt from '@slack/bolt';
import { open, told, until } from './door.mjs';

const { App, LogLevel } = bolt;
const { settings, act, close } = await open('slack');
const ok = told('slack');

const plain = (text) => ({ type: 'plain_text', text });
const form = {
    type: 'modal',
    callback_id: 'create',
    title: plain('New task'),
    submit: plain('Create'),
    blocks: [
        { type: 'input', block_id: 'title', label: plain('Title'), element: { type: 'plain_text_input', action_id: 'title' } },
        {
            type: 'input', block_id: 'parent', label: plain('Parent'), optional: true,
            element: { type: 'external_select', action_id: 'parent', min_query_length: 1 },
        },
    ],
};
const actions = (label, value) => ({
    type: 'actions', elements: [{ type: 'button', action_id: 'go', text: plain(label), value }],
});
const section = (text) => ({ type: 'section', text: { type: 'mrkdwn', text } });

// The same app on both roads.
function furnish(app) {
    const heard = [];
    app.error(async (error) => { heard.push(['error', error]); });
    app.command('/kanban', async ({ command, ack, respond, client }) => {
        if (command.text === 'create') {
            await ack();
            await client.views.open({ trigger_id: command.trigger_id, view: form });
        } else {
            await ack(`on it: ${command.text}`);
            heard.push(['command', respond]);
        }
    });
    app.event('app_mention', async ({ event, client, say }) => {
        heard.push(['app_mention', event.ts]);
        await client.reactions.add({ channel: event.channel, timestamp: event.ts, name: 'eyes' });
        await say({ text: 'card', thread_ts: event.thread_ts ?? event.ts, blocks: [section('*card* &amp; more'), actions('Retry', 'k1')] });
    });
    app.message(async ({ message }) => {
        if (message.subtype === 'message_changed' && !message.message.bot_id) {
            heard.push(['edit', message.message.ts, message.previous_message.text, message.message.text]);
        } else {
            heard.push(['message', message.ts, message.text, message.thread_ts]);
        }
    });
    app.action('go', async ({ ack, body, action, respond, client }) => {
        await ack();
        if (body.container.type === 'view') {
            heard.push(['pressed in view', body.view.type]);
            return;
        }
        await client.chat.update({ channel: body.channel.id, ts: body.message.ts, text: 'pressed', blocks: [section(`pressed ${action.value}`)] });
        await respond({ text: 'only you', response_type: 'ephemeral', replace_original: false });
    });
    app.options('parent', async ({ options, ack }) => {
        await ack({ options: [{ text: plain(`t_1 ${options.value}`), value: 't_1' }] });
    });
    app.view('create', async ({ ack, view, body, client }) => {
        const title = view.state.values.title.title.value;
        if (title === 'x') {
            await ack({ response_action: 'errors', errors: { title: 'too short' } });
            return;
        }
        await ack();
        const parent = view.state.values.parent.parent.selected_option?.value;
        await client.chat.postMessage({ channel: body.user.id, text: `made ${title} under ${parent}`, metadata: { event_type: 'kanban', event_payload: { delivery: 'd1' } } });
    });
    app.shortcut('make_task', async ({ shortcut, ack, client }) => {
        await ack();
        await client.filesUploadV2({ channel_id: shortcut.channel.id, thread_ts: shortcut.message.ts, filename: 'log.txt', content: shortcut.message.text, initial_comment: 'the log' });
    });
    app.event('app_home_opened', async ({ event, client }) => {
        await client.views.publish({ user_id: event.user, view: { type: 'home', blocks: [section('*Your* tasks'), actions('All', 'all')] } });
    });
    return heard;
}

async function drive(app, heard, channel, road) {
    const ops = await act('channel', { name: channel });
    const direct = await act('direct', { name: 'anna' });
    const texts = async (place) => (await act('seen', { place })).map((seen) => seen.text);

    await act('slash', { name: 'anna', place: ops, text: 'list <all> & more' });
    // An answer by its address may overtake the acknowledgement, where both are under way.
    await until('the acknowledgement', async () => (await texts(ops)).includes('on it: list <all> & more'));
    const [, respond] = await until('the command', () => heard.find(([kind]) => kind === 'command'));
    await respond({ text: 'done', replace_original: true });
    const answer = (await act('seen', { place: ops })).find((seen) => seen.text === 'done');
    assert.equal(answer.private_to, 'anna');
    assert.deepEqual(answer.earlier, ['on it: list <all> & more']);
    ok(`${road}: a command and its answers`);

    await act('trouble', { route: 'chat.postMessage', meets: 'too_many', ms: 200 });
    const ts = await act('mentions', { name: 'anna', place: ops, text: 'kanban list' });
    const thread = { ...ops, thread: ts };
    const [card] = await act('wait', { place: thread, count: 1 });
    assert.equal(card.text, 'card & more');
    assert.deepEqual(card.buttons, ['Retry']);
    await until('the mention as a message too', () => heard.some(([kind, at]) => kind === 'message' && at === ts));
    await act('presses', { name: 'bob', place: thread, message: card.id, label: 'Retry' });
    const seen = await act('wait', { place: thread, count: 2 });
    assert.equal(seen[0].text, 'pressed k1');
    assert.equal(seen[1].private_to, 'bob');
    ok(`${road}: a mention, its card and a button`);

    const typed = await act('says', { name: 'bob', place: ops, text: 'one' });
    await act('edits', { name: 'bob', place: ops, message: typed, text: 'two' });
    await until('an edit', () => heard.some(([kind, at, ...texts]) => kind === 'edit' && at === typed && `${texts}` === 'one,two'));
    const reply = await act('replies', { name: 'anna', place: ops, message: typed, text: 'in its thread' });
    await until('a reply', () => heard.some(([kind, at, , of]) => kind === 'message' && at === reply && of === typed));
    ok(`${road}: edits and replies of people`);

    await act('slash', { name: 'anna', place: ops, text: 'create' });
    assert.equal(await act('modal', { name: 'anna' }), 'New task');
    assert.deepEqual(await act('suggestions', { name: 'anna', place: ops, verb: ['create'], field: 'Parent', typed: 'lo' }), [['t_1', 't_1 lo']]);
    assert.deepEqual(await act('submits', { name: 'anna', fields: { Title: 'x', Parent: 't_1' } }), { Title: 'too short' });
    assert.equal(await act('submits', { name: 'anna', fields: { Title: 'door' } }), 'closed');
    await until('the direct message', async () => (await texts(direct)).includes('made door under t_1'));
    const history = await app.client.conversations.history({ channel: direct.channel, include_all_metadata: true, limit: 1 });
    assert.equal(history.messages[0].metadata.event_payload.delivery, 'd1');
    ok(`${road}: a modal with suggestions, mistakes and metadata`);

    const said = await act('says', { name: 'bob', place: ops, text: 'this is broken' });
    await act('shortcut', { name: 'anna', place: ops, message: said, callback: 'make_task' });
    const [file] = await act('wait', { place: { ...ops, thread: said }, count: 1 });
    assert.deepEqual([file.text, file.files], ['the log', [['log.txt', 'this is broken']]]);
    ok(`${road}: a shortcut and a file`);

    await act('open_home', { name: 'anna' });
    assert.equal(await act('home', { name: 'anna' }), 'Your tasks');
    await act('press_in_view', { name: 'anna', label: 'All' });
    await until('the press', () => heard.some(([kind]) => kind === 'pressed in view'));

    ok(`${road}: the home tab`);

    // The client repeats what failed by itself. Slack does not know repeats: what was done before its answer was lost is
    // there twice, and tells by its metadata.
    const before = (await act('seen', { place: ops })).length;
    for (const meets of ['server_error', 'break', 'lose_answer']) {
        await act('trouble', { route: 'chat.postMessage', meets });
        const metadata = { event_type: 'kanban', event_payload: { delivery: meets } };
        await app.client.chat.postMessage({ channel: ops.channel, text: meets, metadata });
    }
    assert.deepEqual((await texts(ops)).slice(before), ['server_error', 'break', 'lose_answer', 'lose_answer']);
    const last = await app.client.conversations.history({ channel: ops.channel, include_all_metadata: true, limit: 2 });
    assert.deepEqual(last.messages.map((message) => message.metadata.event_payload.delivery), ['lose_answer', 'lose_answer']);
    const posts = (await act('calls')).filter((call) => call.route === 'chat.postMessage');
    assert(posts.some((call) => call.status === 429) && posts.every((call) => !call.is_early), 'Retry-After is kept');
    await assert.rejects(app.client.chat.postMessage({ channel: 'C404', text: 'x' }), /channel_not_found/);
    assert.deepEqual(heard.filter(([kind]) => kind === 'error'), []);
    assert.equal(await act('failures'), 0);
    ok(`${road}: 429, errors, broken and lost answers, refusals`);
}

const clientOptions = { slackApiUrl: `${settings.api_base}/` };
const quiet = { logLevel: LogLevel.ERROR, clientOptions };
const app = new App({
    ...quiet, token: settings.bot_token, appToken: settings.app_token, socketMode: true, installerOptions: { clientOptions },
});
const heard = furnish(app);
await app.start();
await act('connected');
assert.equal((await app.client.auth.test()).user, 'kanban');
await drive(app, heard, 'ops', 'socket');

// Refresh and a broken socket: the client comes back, and what is said then arrives.
for (const trouble of ['refresh', 'break_off']) {
    await act(trouble);
    await until('another socket', async () => (await act('sockets')) >= 1);
    await act('connected');
    const ops = await act('channel', { name: 'ops' });
    const ts = await act('says', { name: 'anna', place: ops, text: `after ${trouble}` });
    await until(`a message after ${trouble}`, () => heard.some(([kind, at]) => kind === 'message' && at === ts));
    ok(`socket: another one after ${trouble}`);
}
assert.deepEqual(await act('wrong'), []);
await app.stop();

// The same over signed requests.
const probe = createServer().listen(0, '127.0.0.1');
const port = await new Promise((done) => probe.once('listening', () => done(probe.address().port)));
await new Promise((done) => probe.close(done));
const web = new App({ ...quiet, token: settings.bot_token, signingSecret: await act('signing_secret') });
const heardOverWeb = furnish(web);
await web.start({ port, host: '127.0.0.1' });
await act('deliver_to', { url: `http://127.0.0.1:${port}/slack/events` });
await act('connected');
await drive(web, heardOverWeb, 'web', 'signed');
const signed = await act('channel', { name: 'web' });
for (const forgery of ['secret', 'age', 'body', 'unsigned']) {
    const status = await act('forge_slash', { name: 'anna', place: signed, text: 'list', forgery });
    assert.equal(status, 401, forgery);
}
ok('signed: what Slack did not sign is refused');
assert.deepEqual(await act('wrong'), []);
await web.stop();
await close();
