//! What was said last in a channel or thread, as plain text.

use kanban_platform::Said;
use serenity::model::{
    channel::{Message, MessageType},
    id::UserId,
};

use crate::{KIND, mark::without_reference, said::named};

/// What a message of the history says. None where nobody speaks or nothing is said in words.
pub(crate) fn spoken(message: &Message, me: Option<UserId>) -> Option<Said> {
    let is_speech = matches!(
        message.kind,
        MessageType::Regular
            | MessageType::InlineReply
            | MessageType::ChatInputCommand
            | MessageType::ContextMenuCommand
    );
    let is_ours = me == Some(message.author.id);
    let mut lines = vec![named(&message.content, message)];
    if message.author.bot {
        // Cards say everything in embeds.
        for embed in &message.embeds {
            lines.extend(embed.title.iter().chain(&embed.description).map(|text| named(text, message)));
            lines.extend(embed.footer.as_ref().map(|footer| footer.text.clone()));
        }
    }
    lines.retain(|line| !line.trim().is_empty());
    let mut text = lines.join("\n");
    if is_ours {
        text = undrawn(without_reference(&text));
    }
    let text = text.trim();
    (is_speech && !text.is_empty()).then(|| Said {
        author: message.author.display_name().to_owned(),
        person: format!("{KIND}:{}", message.author.id),
        is_ours,
        text: text.to_owned(),
    })
}

/// The text that our own markdown shows, see [`crate::markup`].
fn undrawn(markdown: &str) -> String {
    let mut shown = Vec::new();
    let mut is_code = false;
    for line in markdown.lines() {
        if line == "```" {
            is_code = !is_code;
            continue;
        }
        let line = line.strip_prefix("-# ").filter(|_| !is_code).unwrap_or(line);
        let mut text = String::with_capacity(line.len());
        let mut rest = line.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '\u{200b}' => {}
                '\\' if !is_code => text.extend(rest.next_if(char::is_ascii_punctuation).or(Some(c))),
                '`' | '*' if !is_code => {}
                c => text.push(c),
            }
        }
        shown.push(text);
    }
    shown.join("\n")
}

#[cfg(test)]
mod tests {
    use super::undrawn;
    use crate::markup::{code_block, inline, quote, small};

    #[test]
    fn what_we_drew_is_read_as_it_was_meant() {
        let text = "t_1: *a* <@1> [x] # \\ @everyone";
        assert_eq!(undrawn(&inline(text)), text);
        assert_eq!(undrawn(&inline("type `/kanban list`, `a``b`")), "type /kanban list, ab");
        assert_eq!(undrawn(&quote("a_b\nc")), "> a_b\n> c");
        assert_eq!(undrawn(&small("blocked · t_1")), "blocked · t_1");
        assert_eq!(undrawn(&code_block("a \\* `b`\n```")), "a \\* `b`\n```");
    }
}
