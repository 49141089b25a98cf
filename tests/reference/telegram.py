"""aiogram, unmodified, against the server of tests/fakes: polling and webhook; commands, topics, private chats, buttons,
edits, replies, menus, entities, files, 429, broken and lost answers, and a poll that breaks.

Usage: telegram.py <the executable `serve`>. Prints one line for each thing that holds, and ends with 1 at the first that
does not.
"""

import asyncio
import contextlib
import json
import socket
import sys

from aiogram import Bot, Dispatcher, F
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import (
    TelegramBadRequest,
    TelegramConflictError,
    TelegramNetworkError,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiogram.filters import Command
from aiogram.types import (
    BotCommand,
    BotCommandScopeAllGroupChats,
    BotCommandScopeChat,
    BufferedInputFile,
    CallbackQuery,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    Message,
    MessageEntity,
    ReactionTypeEmoji,
    ReplyParameters,
)
from aiogram.webhook.aiohttp_server import SimpleRequestHandler
from aiohttp import web

PATIENCE = 30


class Server:
    """The executable, one line of JSON in and one out for each thing."""

    def __init__(self, process):
        self.process = process

    @classmethod
    async def start(cls, executable):
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(executable, "telegram", stdin=pipe, stdout=pipe)
        server = cls(process)
        server.reached = await server.line()
        return server

    async def line(self):
        line = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE + 10)
        assert line, "the server ended"
        return json.loads(line)

    async def do(self, what, **fields):
        self.process.stdin.write((json.dumps({"do": what, **fields}) + "\n").encode())
        await self.process.stdin.drain()
        answer = await self.line()
        if isinstance(answer, dict) and "error" in answer:
            holds(f"{what}: {answer['error']}", False)
        return answer

    async def texts(self, place):
        return [seen["text"] for seen in await self.do("seen", place=place)]


async def until(what, ready):
    for _ in range(PATIENCE * 20):
        if await ready():
            return
        await asyncio.sleep(0.05)
    holds(f"{what} within {PATIENCE} s", False)


def holds(what, found, expected=True):
    if found != expected:
        print(f"telegram: FAILED {what}: {found!r}, not {expected!r}")
        sys.exit(1)
    print(f"telegram: ok {what}")


def new_bot(reached, token=None):
    session = AiohttpSession(api=TelegramAPIServer.from_base(reached["api_base"]))
    return Bot(token or reached["token"], session=session)


async def story(server, handled):
    """A command, an answer with a button, a press, an edit, a reply; by whatever road the updates come."""
    ops = await server.do("thread", channel="ops", name="deploy")
    before = len(await server.do("seen", place=ops))
    await server.do("commands", name="anna", place=ops, verb=["list"], fields={})
    seen = await server.do("wait", place=ops, count=before + 2)
    command, answer = seen[before], seen[before + 1]
    holds("the command is answered in its topic", answer["text"], "you said: list")
    holds("by a reply", answer["reply_to"], command["id"])
    holds("with a button", answer["buttons"], ["Done"])
    await server.do("presses", name="anna", place=ops, message=answer["id"], label="Done")

    async def edited():
        return (await server.do("seen", place=ops))[before + 1]["earlier"]

    await until("the press is handled", edited)
    pressed = (await server.do("seen", place=ops))[before + 1]
    holds("the press edits the message", (pressed["text"], pressed["buttons"]), ("done by anna", []))
    holds("the person sees the answer to the press", "thank you" in await server.do("toasts", name="anna"))
    await server.do("edits", name="anna", place=ops, message=command["id"], text="/kanban show")
    seen = await server.do("wait", place=ops, count=before + 3)
    holds("an edit arrives as an edit", seen[before + 2]["text"], "you edited: /kanban show")
    await server.do("replies", name="anna", place=ops, message=answer["id"], text="blue")
    seen = await server.do("wait", place=ops, count=before + 5)
    holds("a reply bears what it replies to", seen[before + 4]["text"], "blue is about: done by anna")
    anna = await server.do("private", name="anna")
    before = len(await server.do("seen", place=anna))
    said = await server.do("says", name="anna", place=anna, text="/kanban@kanban_fake_bot help")
    seen = await server.do("wait", place=anna, count=before + 2)
    holds("a private chat is answered", seen[before + 1]["text"], "you said: help")
    # People see a message before its sender has the answer, which must not be cut off by what comes next.
    await until("all is handled", lambda: quiet(handled))
    return anna, said


async def quiet(handled):
    return handled["begun"] == handled["done"]


def new_dispatcher():
    dispatcher, handled = Dispatcher(), {"begun": 0, "done": 0}

    @dispatcher.update.outer_middleware()
    async def count(handler, event, data):
        handled["begun"] += 1
        try:
            return await handler(event, data)
        finally:
            handled["done"] += 1

    @dispatcher.message(Command("kanban"))
    async def kanban(message: Message):
        done = InlineKeyboardButton(text="Done", callback_data="key-1")
        keyboard = InlineKeyboardMarkup(inline_keyboard=[[done]])
        words = message.text.split(maxsplit=1)[1]
        await message.reply(f"you said: {words}", reply_markup=keyboard)

    @dispatcher.message(F.reply_to_message.from_user.is_bot)
    async def replied(message: Message):
        await message.answer(f"{message.text} is about: {message.reply_to_message.text}")

    @dispatcher.edited_message(F.text)
    async def edited(message: Message):
        await message.answer(f"you edited: {message.text}")

    @dispatcher.callback_query(F.data == "key-1")
    async def pressed(query: CallbackQuery):
        await query.answer("thank you")
        await query.message.edit_text(f"done by {query.from_user.first_name}")

    return dispatcher, handled


async def by_polling(server):
    bot = new_bot(server.reached)
    dispatcher, handled = new_dispatcher()
    polling = asyncio.create_task(dispatcher.start_polling(bot, polling_timeout=5, handle_signals=False))
    await server.do("connected")
    anna, _ = await story(server, handled)
    # The poll that is under way ends with what is said; the next ones break before and after what they confirm.
    for trouble in ["break", "lose_answer", "server_error", "too_many"]:
        before = await server.texts(anna)
        await server.do("trouble", route="getUpdates", meets=trouble, ms=1000)
        for word in ["one", "two"]:
            await server.do("says", name="anna", place=anna, text=f"/kanban {word} {trouble}")
        await server.do("wait", place=anna, count=len(before) + 4)
        # aiogram handles what comes in one answer at the same time.
        answers = sorted(text for text in (await server.texts(anna))[len(before) :] if text.startswith("you said"))
        holds(f"each is answered once over {trouble}", answers, [f"you said: one {trouble}", f"you said: two {trouble}"])
    await until("all is handled", lambda: quiet(handled))
    await dispatcher.stop_polling()
    await polling
    # What was said while nobody polled comes with the first poll of the next life.
    before = len(await server.do("seen", place=anna))
    await server.do("says", name="anna", place=anna, text="/kanban while you were away")
    bot = new_bot(server.reached)
    polling = asyncio.create_task(dispatcher.start_polling(bot, polling_timeout=5, handle_signals=False))
    seen = await server.do("wait", place=anna, count=before + 2)
    holds("what was missed comes", seen[-1]["text"], "you said: while you were away")
    await until("all is handled", lambda: quiet(handled))
    await dispatcher.stop_polling()
    await polling


async def by_webhook(server):
    bot = new_bot(server.reached)
    dispatcher, handled = new_dispatcher()
    app = web.Application()
    handler = SimpleRequestHandler(dispatcher, bot, handle_in_background=False, secret_token="a-secret")
    handler.register(app, "/hook")
    runner = web.AppRunner(app)
    await runner.setup()
    free = socket.socket()
    free.bind(("127.0.0.1", 0))
    await web.SockSite(runner, free).start()
    url = f"http://127.0.0.1:{free.getsockname()[1]}/hook"
    await bot.set_webhook(url, secret_token="a-secret", drop_pending_updates=True)
    holds("the webhook is set", (await bot.get_webhook_info()).url, url)
    anna, _ = await story(server, handled)
    before = len(await server.do("seen", place=anna))
    await server.do("trouble", route="webhook", meets="lose_answer")
    await server.do("says", name="anna", place=anna, text="/kanban twice")
    seen = await server.do("wait", place=anna, count=before + 3)
    holds("an update whose answer is lost comes again", [each["text"] for each in seen[-2:]], ["you said: twice"] * 2)

    await bot.set_webhook(url, secret_token="another-secret")
    await server.do("says", name="anna", place=anna, text="/kanban forged")

    async def told():
        return (await bot.get_webhook_info()).last_error_message

    await until("the wrong secret is noticed", told)
    info = await bot.get_webhook_info()
    found = (info.pending_update_count, "401" in info.last_error_message)
    holds("aiogram refuses the wrong secret, and the update waits", found, (1, True))
    await bot.set_webhook(url, secret_token="a-secret")
    seen = await server.do("wait", place=anna, count=before + 5)
    holds("it comes with the right one", seen[-1]["text"], "you said: forged")
    await until("it is confirmed", lambda: confirmed(server))
    with contextlib.suppress(TelegramConflictError):
        await bot.get_updates()
        holds("a poll beside a webhook is refused", False)
    await bot.delete_webhook()
    await runner.cleanup()
    await bot.session.close()


async def confirmed(server):
    return await server.do("unconfirmed") == 0


async def refused(what, error, call):
    try:
        await call
    except error as fault:
        print(f"telegram: ok {what} is refused: {fault.message}")
        return fault
    holds(f"{what} is refused", False)


async def calls(server):
    bot = new_bot(server.reached)
    me = await bot.get_me()
    holds("getMe", (me.is_bot, me.can_join_groups, me.supports_inline_queries), (True, True, False))
    ops = await server.do("channel", name="team")
    chat = int(ops["channel"])
    commands = [BotCommand(command="kanban", description="The board")]
    await bot.set_my_commands(commands, scope=BotCommandScopeAllGroupChats(), language_code="de")
    await bot.set_my_commands(commands, scope=BotCommandScopeChat(chat_id=chat))
    found = await bot.get_my_commands(scope=BotCommandScopeChat(chat_id=chat))
    holds("menus are kept", [(each.command, each.description) for each in found], [("kanban", "The board")])
    await bot.delete_my_commands(scope=BotCommandScopeChat(chat_id=chat))
    holds("menus are deleted", await bot.get_my_commands(scope=BotCommandScopeChat(chat_id=chat)), [])

    bold = MessageEntity(type="bold", offset=3, length=5)
    sent = await bot.send_message(chat, "🙂 hello", entities=[bold], parse_mode=None)
    places = [(entity.type, entity.extract_from(sent.text)) for entity in sent.entities]
    holds("entities come back", places, [("bold", "hello")])
    await bot.set_message_reaction(chat, sent.message_id, [ReactionTypeEmoji(emoji="👀")])
    reaction = await server.do("reaction", place=ops, message=str(sent.message_id))
    holds("a reaction is seen", reaction, "👀")
    await bot.send_chat_action(chat, "typing")
    marked = await bot.send_message(chat, "<b>1 &lt; 2</b>", parse_mode="HTML")
    holds("HTML is read", (marked.text, marked.html_text), ("1 < 2", "<b>1 &lt; 2</b>"))
    document = BufferedInputFile(b"a line\n", filename="log.txt")
    file = await bot.send_document(chat, document, caption="the log", reply_parameters=ReplyParameters(message_id=1))
    content = await bot.download(file.document.file_id)
    holds("a file goes up and down", content.read(), b"a line\n")
    holds("a reply bears its message", file.reply_to_message.text, "🙂 hello")
    holds("getChat", (await bot.get_chat(chat)).title, "team")

    same = bot.edit_message_text("1 < 2", chat_id=chat, message_id=marked.message_id, entities=marked.entities)
    await refused("an edit without a change", TelegramBadRequest, same)
    gone = bot.edit_message_text("x", chat_id=chat, message_id=999)
    await refused("an edit of nothing", TelegramBadRequest, gone)
    await refused("a text that is too long", TelegramBadRequest, bot.send_message(chat, "x" * 4097))
    await refused("an unknown chat", TelegramBadRequest, bot.send_message(12345, "x"))
    await bot.delete_message(chat, marked.message_id)

    topic = await server.do("thread", channel="team", name="release")
    thread = int(topic["thread"])
    placed = await bot.send_message(chat, "in the topic", message_thread_id=thread)
    holds("a topic is written to", (placed.is_topic_message, placed.message_thread_id), (True, thread))
    holds("and seen there", (await server.texts(topic))[-1], "in the topic")

    await server.do("trouble", route="sendMessage", meets="too_many", ms=2000)
    fault = await refused("a call too many", TelegramRetryAfter, bot.send_message(chat, "x"))
    holds("with the time to wait", fault.retry_after, 2)
    await refused("a call too early", TelegramRetryAfter, bot.send_message(chat, "x"))
    await asyncio.sleep(fault.retry_after)
    await bot.send_message(chat, "in time")
    early = [call["is_early"] for call in await server.do("calls") if call["route"] == "sendMessage"][-3:]
    holds("only what came early is called early", early, [False, True, False])
    await server.do("trouble", route="sendMessage", meets="server_error")
    await refused("an error of the server", TelegramServerError, bot.send_message(chat, "x"))
    for trouble in ["break", "lose_answer"]:
        await server.do("trouble", route="sendMessage", meets=trouble)
        await refused(f"what meets {trouble}", TelegramNetworkError, bot.send_message(chat, trouble))
    holds("what is lost has arrived", (await server.texts(ops))[-2:], ["in time", "lose_answer"])
    holds("nothing is wrong with the calls", await server.do("wrong"), [])

    stranger = new_bot(server.reached, token="42:" + "A" * 35)
    await refused("a wrong token", TelegramUnauthorizedError, stranger.get_me())
    await stranger.session.close()
    await bot.session.close()


async def main():
    server = await Server.start(sys.argv[1])
    await by_polling(server)
    await by_webhook(server)
    await calls(server)
    server.process.stdin.close()
    holds("the server ends well", await server.process.wait(), 0)


asyncio.run(main())
