// discord.js, unmodified, against the server of tests/fakes: identify, messages, edits and replies, commands, autocomplete,
// buttons, forms, follow-ups, files, threads, 429, lost answers, resume, silence and an invalid session.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
    ActionRowBuilder, ApplicationCommandType, AttachmentBuilder, ButtonBuilder, ButtonStyle, Client, ContextMenuCommandBuilder,
    EmbedBuilder, Events, GatewayIntentBits, MessageFlags, ModalBuilder, Partials, SlashCommandBuilder, TextInputBuilder,
    TextInputStyle,
} from 'discord.js';
import { open, told, until } from './door.mjs';

const { settings, act, close } = await open('discord');
const ok = told('discord');

const ops = await act('channel', { name: 'ops' });
const release = await act('thread', { channel: 'ops', name: 'release' });

const client = new Client({
    intents: [
        GatewayIntentBits.Guilds, GatewayIntentBits.GuildMessages, GatewayIntentBits.DirectMessages,
        GatewayIntentBits.MessageContent,
    ],
    partials: [Partials.Channel],
    rest: { api: `${settings.api_base}/api` },
});
client.on(Events.Error, (error) => { throw error; });

const heard = [];
client.on(Events.MessageCreate, (message) => {
    if (!message.author.bot) heard.push(message);
});
const edited = [];
client.on(Events.MessageUpdate, (before, after) => {
    if (!after.author.bot) edited.push([before.content, after.content]);
});
client.on(Events.InteractionCreate, async (interaction) => {
    if (interaction.isAutocomplete()) {
        const typed = interaction.options.getFocused();
        await interaction.respond([{ name: `${typed} · the door`, value: `t_${typed}` }]);
    } else if (interaction.isChatInputCommand() && interaction.options.getSubcommand() === 'create') {
        await interaction.deferReply({ flags: MessageFlags.Ephemeral });
        const title = interaction.options.getString('title');
        const priority = interaction.options.getInteger('priority');
        await interaction.editReply({ content: `made **${title}** ${priority}` });
        const button = new ButtonBuilder().setCustomId('k1').setLabel('Answer').setStyle(ButtonStyle.Primary);
        await interaction.followUp({
            embeds: [new EmbedBuilder().setTitle(title).setDescription('_new_')],
            components: [new ActionRowBuilder().addComponents(button)],
            files: [new AttachmentBuilder(Buffer.from('all of it'), { name: 'output.txt' })],
        });
    } else if (interaction.isButton()) {
        const input = new TextInputBuilder().setCustomId('answer').setLabel('Answer').setStyle(TextInputStyle.Short);
        const row = new ActionRowBuilder().addComponents(input);
        await interaction.showModal(new ModalBuilder().setCustomId('f1').setTitle('Answer').addComponents(row));
    } else if (interaction.isMessageContextMenuCommand()) {
        await interaction.reply({ content: `from: ${interaction.targetMessage.content}` });
    }
});

await client.login(settings.token);
await act('connected');
if (!client.isReady()) await once(client, Events.ClientReady);
assert.equal(client.guilds.cache.size, 1);

const task = (option) => option.setName('task').setDescription('Task').setRequired(true).setAutocomplete(true);
const kanban = new SlashCommandBuilder().setName('kanban').setDescription('Tasks')
    .addSubcommand((verb) => verb.setName('create').setDescription('Make a task')
        .addStringOption((option) => option.setName('title').setDescription('Title').setRequired(true))
        .addIntegerOption((option) => option.setName('priority').setDescription('Priority').setMinValue(0)))
    .addSubcommand((verb) => verb.setName('show').setDescription('Show a task').addStringOption(task));
const menu = new ContextMenuCommandBuilder().setName('Make a task').setType(ApplicationCommandType.Message);
await client.application.commands.set([kanban, menu]);

ok('connects and sets commands');

// A message, its edit and its reply; a reaction, a thread, a direct message.
const said = await act('mentions', { name: 'ann', place: ops, text: 'hello' });
const message = await until('a message', () => heard.find((message) => message.id === said));
assert.equal(message.content, `<@${client.user.id}> hello`);
assert(message.mentions.has(client.user));
const reply = await message.reply({ content: 'hello **you**', allowedMentions: { parse: [], repliedUser: false } });
await reply.edit({ content: 'hello _again_' });
let seen = await act('seen', { place: ops });
assert.deepEqual([seen[1].text, seen[1].earlier, seen[1].reply_to, seen[1].pings], ['hello again', ['hello you'], said, []]);
const answer = await act('replies', { name: 'ann', place: ops, message: reply.id, text: 'and you' });
await until('a reply', () => heard.find((message) => message.id === answer && message.reference.messageId === reply.id));
await act('edits', { name: 'ann', place: ops, message: answer, text: 'and you?' });
await until('an edit', () => edited.length > 0);
assert.deepEqual(edited, [['and you', 'and you?']]);
await message.react('👀');
assert.deepEqual(await act('reactions', { message: said }), ['👀']);
await message.channel.sendTyping();
assert.equal((await message.channel.messages.fetch({ limit: 10 })).size, 3);
ok('messages, replies, edits and reactions');

const thread = await message.startThread({ name: 'about it' });
await thread.send('in the thread');
const about = { ...ops, thread: thread.id };
assert.equal((await act('seen', { place: about }))[0].text, 'in the thread');
const inside = await act('says', { name: 'ann', place: about, text: 'here too' });
await until('a message in the thread', () => heard.find((message) => message.id === inside && message.channel.isThread()));
const made = await act('thread', { channel: 'ops', name: 'made by Ann' });
await until('a thread of a person', () => client.channels.cache.get(made.thread)?.name === 'made by Ann');
const direct = await act('channel', { name: '@ann' });
const privately = await act('says', { name: 'ann', place: direct, text: 'between us' });
await (await until('a direct message', () => heard.find((message) => message.id === privately))).reply('yes');
assert.equal((await act('seen', { place: direct })).at(-1).text, 'yes');
ok('threads and direct messages');

// A command with a private answer and a public card, its suggestions, its button and form.
const fields = { title: 'fix it', priority: '3' };
await act('commands', { name: 'ann', place: release, verb: ['create'], fields });
seen = await act('wait', { place: release, count: 2 });
assert.deepEqual([seen[0].text, seen[0].private_to], ['made fix it 3', 'ann']);
assert.deepEqual([seen[1].text, seen[1].private_to, seen[1].buttons], ['fix it\nnew', null, ['Answer']]);
assert.deepEqual(seen[1].files, [['output.txt', 'all of it']]);
const suggested = await act('suggestions', { name: 'ann', place: release, verb: ['show'], field: 'task', typed: 'a' });
assert.deepEqual(suggested, [['t_a', 'a · the door']]);
ok('commands and their suggestions');
const submitted = new Promise((resolve) => client.on(Events.InteractionCreate, (interaction) => {
    if (interaction.isModalSubmit()) resolve(interaction);
}));
await act('presses', { name: 'ann', place: release, message: seen[1].id, label: 'Answer' });
await act('submits', { name: 'ann', fields: { answer: 'blue' } });
const form = await submitted;
assert.equal(form.fields.getTextInputValue('answer'), 'blue');
await form.update({ content: 'blue it is', components: [] });
seen = await act('seen', { place: release });
assert.deepEqual([seen[1].text, seen[1].buttons], ['blue it is\nfix it\nnew', []]);
const shown = (await act('seen', { place: ops })).length;
await act('uses_on', { name: 'bob', place: ops, command: 'Make a task', message: said });
seen = await act('wait', { place: ops, count: shown + 1 });
assert.equal(seen.at(-1).text, 'from: @kanban hello');
assert.equal(await act('unanswered'), 0);
ok('buttons, forms and the menu of a message');

// 429 and 5xx: discord.js waits and sends again by itself. What breaks off it leaves to the caller, whose nonce shows that
// the second attempt is a repeat.
const route = 'POST /channels/{id}/messages';
const { channel } = message;
await act('trouble', { route, meets: 'too_many', ms: 300 });
await channel.send('after a while');
await act('trouble', { route, meets: 'server_error' });
await channel.send('after an error');
for (const meets of ['break', 'lose_answer']) {
    await act('trouble', { route, meets });
    const body = { content: meets, nonce: meets, enforceNonce: true };
    await assert.rejects(channel.send(body), { code: 'UND_ERR_SOCKET' });
    assert.equal((await channel.send(body)).content, meets);
}
await assert.rejects(channel.send('x'.repeat(2001)), { code: 50035 });
await assert.rejects(client.channels.fetch('1'), { code: 10003 });
const texts = (await act('seen', { place: ops })).slice(shown + 1).map((seen) => seen.text);
assert.deepEqual(texts, ['after a while', 'after an error', 'break', 'lose_answer']);
const posts = (await act('calls')).filter((call) => call.route === route).slice(-9);
assert.deepEqual(posts.map((call) => call.status), [429, 200, 500, 200, 0, 200, 0, 200, 400]);
assert(posts.every((call) => !call.is_early), 'discord.js keeps what Retry-After says');
ok('429, errors, broken and lost answers, refusals');

// A connection that breaks, that is asked to end or that falls silent is resumed, with what was missed.
for (const trouble of ['break_off', 'reconnect', 'silence']) {
    const before = await act('connections');
    await act(trouble);
    const missed = await act('says', { name: 'ann', place: ops, text: `missed at ${trouble}` });
    await until(`what was missed at ${trouble}`, () => heard.find((message) => message.id === missed));
    // A connection that is asked to end may still have brought it.
    await until('another connection', async () => (await act('connections')) === before + 1);
    await act('connected');
    assert.equal(await act('identifies'), 1, `it was resumed after ${trouble}`);
    assert.equal(heard.filter((message) => message.id === missed).length, 1);
    ok(`${trouble} and resume`);
}

// An invalid session begins anew.
await act('invalidate', { resumable: false });
await until('another session', async () => (await act('identifies')) === 2);
await act('connected');
const anew = await act('says', { name: 'ann', place: ops, text: 'anew' });
await until('a message of the new session', () => heard.find((message) => message.id === anew));
ok('an invalid session');

// One is wrong on purpose: the text that is too long.
const wrong = await act('wrong');
assert(wrong.every((wrong) => wrong.includes('content')), wrong);
await client.destroy();
await close();
