//! What a body looks like on Telegram, block by block.

use std::fmt::Write;

use kanban_platform::{Block, plain};
use proptest::prelude::*;
use teloxide::types::{MessageEntityKind, MessageEntityRef};

use super::{CAPTION_LIMIT, Drawn, ENTITY_LIMIT, MESSAGE_LIMIT, draw, parts};
use crate::neutral::JOINER;

/// The text with its entities, each as `kind: what it covers`, read by teloxide.
fn shown(drawn: &Drawn) -> String {
    let mut shown = drawn.text.replace(JOINER, "~");
    for entity in MessageEntityRef::parse(&drawn.text, &drawn.entities) {
        let kind = match entity.kind() {
            MessageEntityKind::Pre { .. } => "Pre".to_owned(),
            kind => format!("{kind:?}"),
        };
        write!(shown, "\n{kind}: {:?}", entity.text().replace(JOINER, "~")).unwrap();
    }
    shown
}

#[test]
fn a_card_with_every_kind_of_block() {
    let body = [
        Block::Title("😀 fix `a_b` for @ann".to_owned()),
        Block::Text("blocked by `t_4k2`; see <b>*_x_*</b> [l](tg://user?id=1)".to_owned()),
        Block::Quote("which colour?\n> @bob /stop `x`".to_owned()),
        Block::Code("\n  ls @ann /stop\n".to_owned()),
        Block::Footer("ready · web".to_owned()),
        Block::Text("  ".to_owned()),
        Block::File { name: "a.txt".to_owned(), text: "a".to_owned() },
    ];
    insta::assert_snapshot!(shown(&draw(&body)));
}

#[test]
fn a_long_quote_is_folded() {
    let folded = draw(&[Block::Quote("line\n".repeat(20))]);
    assert_eq!(folded.entities[0].kind, MessageEntityKind::ExpandableBlockquote);
}

#[test]
fn long_output_is_a_file_with_its_first_lines_above_it() {
    let parts =
        parts(&[Block::Title("log".to_owned()), Block::Code("line\n".repeat(5000)), Block::Footer("done".to_owned())]);
    assert_eq!(parts.len(), 2);
    assert!(matches!(parts[0].last(), Some(Block::File { .. })) && parts[0].len() == 3);
    assert!(draw(&parts[0]).units <= CAPTION_LIMIT);
    assert_eq!(parts[1], [Block::Footer("done".to_owned())]);
}

#[test]
fn an_empty_body_is_one_empty_part() {
    assert_eq!(parts(&[]), [vec![]]);
    assert_eq!(draw(&[]).text, "");
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,80}",
        "[ab@/_` \\n\\t😀ü\u{202e}\u{0}]{0,120}",
        "(`[ab@]{1,3}` ?){0,160}",
        "([a-z]{1,9}[ @/\\n]){600,1200}",
    ]
}

fn block() -> impl Strategy<Value = Block> {
    (text(), 0..6).prop_map(|(text, kind)| match kind {
        0 => Block::Title(text),
        1 => Block::Text(text),
        2 => Block::Quote(text),
        3 => Block::Code(text),
        4 => Block::Footer(text),
        _ => Block::File { name: "a.txt".to_owned(), text },
    })
}

/// Whether Telegram would find a name or a command at a place (its own rule: `match_mentions`, `match_bot_commands`).
fn acts(text: &[char], at: usize) -> bool {
    let is_word = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    let before = at.checked_sub(1).map(|before| text[before]);
    let run = text[at + 1..].iter().take_while(|c| is_word(c)).count();
    let after = text.get(at + 1 + run);
    if run == 0 || before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
        return false;
    }
    match text[at] {
        '@' => true,
        '/' => !before.is_some_and(|c| "/<>".contains(c)) && !after.is_some_and(|c| "/<>".contains(*c)),
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn entities_lie_where_they_should_and_nothing_else_acts(body in prop::collection::vec(block(), 0..6)) {
        let drawn = draw(&body);
        prop_assert_eq!(drawn.units, drawn.text.encode_utf16().count());
        prop_assert_eq!(drawn.text.trim_end(), &drawn.text);
        prop_assert!(drawn.entities.len() <= ENTITY_LIMIT);
        let mut is_code = vec![false; drawn.units];
        let mut at = 0;
        for entity in &drawn.entities {
            prop_assert!(entity.length > 0 && entity.offset >= at && entity.offset + entity.length <= drawn.units);
            at = entity.offset;
            if matches!(entity.kind, MessageEntityKind::Code | MessageEntityKind::Pre { .. }) {
                is_code[entity.offset..entity.offset + entity.length].fill(true);
            }
        }
        // Panics where an entity begins or ends inside of a character.
        for entity in MessageEntityRef::parse(&drawn.text, &drawn.entities) {
            prop_assert!(!entity.text().trim().is_empty());
        }
        let characters: Vec<char> = drawn.text.chars().collect();
        let mut unit = 0;
        for (at, c) in characters.iter().enumerate() {
            prop_assert!(is_code[unit] || !acts(&characters, at), "{:?}", &characters[at..]);
            prop_assert!(*c == '\n' || !c.is_control());
            unit += c.len_utf16();
        }
    }

    #[test]
    fn every_part_is_one_message_and_no_word_is_lost(body in prop::collection::vec(block(), 0..6)) {
        let parts = parts(&body);
        for part in &parts {
            let files = part.iter().filter(|block| matches!(block, Block::File { .. })).count();
            let limit = if files == 0 { MESSAGE_LIMIT } else { CAPTION_LIMIT };
            prop_assert!(files <= 1 && draw(part).units <= limit);
        }
        let visible = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        prop_assert_eq!(visible(&plain(&parts.concat())), visible(&plain(&body)));
    }
}
