//! What people type and workers say, as it stands on each platform in the end: read by a reader of the platform's markup
//! that knows nothing of the adapter, nobody is mentioned, nothing is broken, and no text is lost.

use kanban_fakes::Server;
use kanban_platform::{Block, Button, Platform, Post, PostKind, Style, Thread, Urgency};

use crate::{
    scale::Scale,
    world::{adapter, server},
};

/// What markup, mentions and tricks are made of, on any of the platforms.
const PIECES: &[&str] = &[
    "@everyone",
    "@here",
    "@ann",
    "<@1>",
    "<@!1>",
    "<@&1>",
    "<@U1>",
    "<@U1|ann>",
    "<!channel>",
    "<!here|x>",
    "<!subteam^S1>",
    "<#1>",
    "<#C1|ops>",
    "<t:0:R>",
    "<:x:1>",
    "<a:x:1>",
    "</x:1>",
    "<id:home>",
    "[x](http://a.example)",
    "[x](tg://user?id=1)",
    "<http://a.example|x>",
    "http://a.example/b?c=d",
    "a@b.example",
    "tg://user?id=1",
    "/stop",
    "/kanban",
    "#tag",
    "$USD",
    "*",
    "**",
    "_",
    "__",
    "~",
    "~~",
    "|",
    "||",
    "`",
    "```",
    "\n```\n",
    "\n> ",
    "\n>>> ",
    "\n# ",
    "\n-# ",
    "\n- ",
    "\n1. ",
    "\\",
    "&",
    "&amp;",
    "&lt;!channel&gt;",
    "<b>",
    "</b>",
    "<",
    ">",
    "(",
    ")",
    "[",
    "]",
    ":smile:",
    "\u{202e}",
    "\u{2066}",
    "\u{200b}",
    "\u{200d}",
    "\u{feff}",
    "\u{0}",
    "\u{7}",
    "\u{1b}[31m",
    "\r",
    "\t",
    "\n",
    "\n\n",
    " ",
    "  ",
    "😀",
    "👨\u{200d}👩\u{200d}👧",
    "e\u{301}",
    "漢字",
    "עברית",
    "x",
    "yz",
    "word",
    "t_4kx9c2ma",
];

/// How many texts are in one post.
const TOGETHER: usize = 24;

/// How many posts one channel gets.
const IN_A_CHANNEL: usize = 4;

/// How many channels are posted to at once.
const AT_ONCE: usize = 32;

async fn render(kind: &'static str) {
    let mut scale = Scale::of(format!("rendering on {kind}").leak(), 3_000, 1_000_000);
    let server = server(kind).await;
    let platform = adapter(&*server);
    let mut channels = Vec::new();
    let mut left = scale.count;
    while left > 0 {
        let channel = server.channel(&format!("c{}", channels.len()));
        let mut posts = Vec::new();
        for number in 0..IN_A_CHANNEL.min(left.div_ceil(TOGETHER)) {
            let count = TOGETHER.min(left);
            left -= count;
            let body: Vec<Block> = (0..count).map(|_| block(&mut scale)).collect();
            let label = text(&mut scale);
            posts.push(post(format!("r.{}.{number}", channels.len()), &channel, body, label));
        }
        channels.push((channel, posts));
    }
    let mut waiting = channels.into_iter();
    let mut posting = tokio::task::JoinSet::new();
    loop {
        while posting.len() < AT_ONCE {
            let Some((channel, posts)) = waiting.next() else { break };
            let (server, platform) = (std::sync::Arc::clone(&server), std::sync::Arc::clone(&platform));
            posting.spawn(async move { judge(&*server, &*platform, &channel, &posts).await });
        }
        match posting.join_next().await {
            Some(judged) => judged.unwrap(),
            None => break,
        }
    }
    assert_eq!(server.wire().wrong(), Vec::<String>::new(), "{kind}");
    scale.done("texts, 0 mentions, 0 broken, 0 lost");
}

/// Posts to a channel and reads what stands there.
async fn judge(server: &dyn Server, platform: &dyn Platform, channel: &Thread, posts: &[Post]) {
    for post in posts {
        let bodies = platform.parts(&post.body);
        let last = bodies.len() - 1;
        for (number, body) in bodies.into_iter().enumerate() {
            let buttons = if number == last { post.buttons.clone() } else { Vec::new() };
            let part = Post { delivery: format!("{}.{number}", post.delivery), body, buttons, ..post.clone() };
            loop {
                match platform.post(&part, None).await {
                    Ok(_) => break,
                    // The pace of the platform is the adapter's to keep, and it asks for patience.
                    Err(kanban_platform::PostError::Later(wait, _)) => tokio::time::sleep(wait).await,
                    Err(error) => panic!("{channel}: {error}: {:?}", part.body),
                }
            }
        }
    }
    let seen = server.seen(channel);
    let pings: Vec<_> = seen.iter().flat_map(|seen| &seen.pings).collect();
    assert!(pings.is_empty(), "{channel} pings {pings:?}: {posts:?}");
    let shown: String = seen.iter().map(|seen| visible(&seen.text)).collect();
    let mut rest = shown.as_str();
    for block in posts.iter().flat_map(|post| &post.body) {
        let wanted = visible(block.text());
        match rest.find(&wanted) {
            Some(at) => rest = &rest[at + wanted.len()..],
            None => panic!(
                "{channel}: {block:?} is not there: `{wanted}` in `{}`",
                rest.chars().take(400).collect::<String>()
            ),
        }
    }
}

/// What there is to read of a text: without blanks, what cannot be seen or is shown by its name instead, and the
/// backticks that stand for code.
fn visible(text: &str) -> String {
    let mut text = text.to_owned();
    while let Some(start) = text.find("‹U+")
        && let Some(end) = text[start..].find('›')
    {
        text.replace_range(start..start + end + '›'.len_utf8(), "");
    }
    let is_unseen = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || c == '`'
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{2400}'..='\u{243f}' | '\u{feff}' | '\u{fffd}')
    };
    text.chars().filter(|c| !is_unseen(*c)).collect()
}

fn text(scale: &mut Scale) -> String {
    let pieces = 1 + scale.below(9);
    (0..pieces).map(|_| PIECES[usize::try_from(scale.below(PIECES.len() as u64)).unwrap()]).collect()
}

fn block(scale: &mut Scale) -> Block {
    let text = text(scale);
    match scale.below(5) {
        0 => Block::Title(text),
        1 => Block::Text(text),
        2 => Block::Quote(text),
        3 => Block::Code(text),
        _ => Block::Footer(text),
    }
}

fn post(delivery: String, thread: &Thread, body: Vec<Block>, label: String) -> Post {
    let key = format!("{delivery}!0");
    Post {
        delivery,
        thread: thread.clone(),
        kind: PostKind::News,
        body,
        buttons: vec![Button { key, label, style: Style::Plain }],
        private: false,
        task: None,
        event: None,
        urgency: Urgency::News,
        prompts: false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_text_mentions_breaks_or_vanishes_on_discord() {
    render("discord").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_text_mentions_breaks_or_vanishes_on_telegram() {
    render("telegram").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_text_mentions_breaks_or_vanishes_on_slack() {
    render("slack").await;
}
