//! Putting together again what a client cut up.
//!
//! A message may have 4096 UTF-16 units. A client sends a longer text as several messages, one right after the other.

use kanban_platform::{Author, Input, Request, Thread};

use crate::inbound::{Heard, Said, What};

/// A message as long as this may go on in the next one. A client that cuts looks for a good place in the second half of
/// what fits: the end of a paragraph, a line, a word.
const LONG: usize = 2048;

/// What fits into a message, and where a client cuts when it finds no good place.
const FULL: usize = 4096;

/// How many seconds apart the pieces may be.
const PIECES_WITHIN: i64 = 5;

/// A text of more further pieces is longer than the board takes.
const MOST: usize = 32;

/// Updates in the order of the platform, put together.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    /// What is whole, up to the first message that may still go on.
    pub(crate) requests: Vec<Request>,
    /// The presses among them that wait for an answer.
    pub(crate) queries: Vec<String>,
    pub(crate) moved: Vec<(i64, i64)>,
    pub(crate) forums: Vec<i64>,
    /// How many of the updates these are. The others must wait.
    pub(crate) ready: usize,
    /// The newest update of a message that may still go on.
    pub(crate) newest_open: Option<i64>,
    /// The updates that became part of an earlier one.
    pub(crate) swallowed: Vec<i64>,
}

/// A message with all its pieces so far.
struct Whole {
    first: usize,
    last: usize,
    said: Box<Said>,
    text: String,
    /// The updates of the pieces after the first.
    pieces: Vec<i64>,
    is_open: bool,
}

/// Puts the pieces of messages together. A message that may still go on holds up what comes after it, so that everything
/// stays in order, unless no piece of it is newer than the update `given_up`.
pub(crate) fn assemble(heard: Vec<Heard>, given_up: i64) -> Assembly {
    let ids: Vec<i64> = heard.iter().map(|heard| heard.update).collect();
    let mut wholes: Vec<Whole> = Vec::new();
    let mut others = Vec::new();
    for (at, Heard { update, what }) in heard.into_iter().enumerate() {
        match what {
            What::Message(said) => add(&mut wholes, at, update, said),
            What::Press { .. } | What::Moved { .. } | What::Nothing => others.push((at, what)),
        }
    }
    let open = |whole: &&Whole| whole.is_open && ids.get(whole.last).is_some_and(|id| *id > given_up);
    let newest_open = wholes.iter().filter(open).filter_map(|whole| ids.get(whole.last).copied()).max();
    let mut ready = wholes.iter().filter(open).map(|whole| whole.first).min().unwrap_or(ids.len());
    // What is confirmed is never seen again: a message must not be cut in two by it.
    while let Some(across) = wholes.iter().find(|whole| whole.first < ready && whole.last >= ready) {
        ready = across.first;
    }
    let mut assembly = Assembly { ready, newest_open, ..Assembly::default() };
    let mut requests = Vec::new();
    for Whole { first, said, text, pieces, .. } in wholes.into_iter().filter(|whole| whole.first < ready) {
        assembly.forums.extend(said.forum);
        assembly.swallowed.extend(pieces);
        requests.push((first, Request { input: Input::Text(text), ..said.request }));
    }
    for (at, what) in others.into_iter().filter(|(at, _)| *at < ready) {
        match what {
            What::Press { request, query } => {
                requests.extend(request.map(|request| (at, *request)));
                assembly.queries.push(query);
            }
            What::Moved { from, to } => assembly.moved.push((from, to)),
            What::Message(_) | What::Nothing => {}
        }
    }
    requests.sort_by_key(|(at, _)| *at);
    assembly.requests = requests.into_iter().map(|(_, request)| request).collect();
    assembly
}

fn add(wholes: &mut Vec<Whole>, at: usize, update: i64, said: Box<Said>) {
    let place = |said: &Said| -> (Author, Thread) { (said.request.author.clone(), said.request.thread.clone()) };
    let here = place(&said);
    if let Some(before) = wholes.iter_mut().rev().find(|whole| whole.is_open && place(&whole.said) == here) {
        if before.pieces.len() < MOST && goes_on(&before.said, &said) {
            let seam = if is_same_album(&before.said, &said) { "\n" } else { seam(before.said.units, &said.text) };
            if !(before.text.is_empty() || said.text.is_empty()) {
                before.text.push_str(seam);
            }
            before.text.push_str(&said.text);
            before.said.request.files.extend(said.request.files);
            before.pieces.push(update);
            before.last = at;
            before.is_open = said.units >= LONG || said.album.is_some();
            // The next piece follows this one; the answer goes to the first.
            before.said.message = said.message;
            before.said.date = said.date;
            before.said.units = said.units;
            return;
        }
        before.is_open = false;
    }
    // What nobody will read need not be put together. In a topic, which may be a task's own, everything may count.
    let may_count = said.request.addressed || said.is_command || said.request.thread.thread.is_some();
    let is_open = (said.units >= LONG || said.album.is_some()) && may_count;
    wholes.push(Whole { first: at, last: at, text: said.text.clone(), said, pieces: Vec::new(), is_open });
}

/// Whether a message of the same person in the same place is the next piece.
fn goes_on(before: &Said, next: &Said) -> bool {
    let distance = next.message - before.message;
    let follows = if before.is_numbered_by_chat { distance == 1 } else { distance > 0 };
    let is_close = (0..=PIECES_WITHIN).contains(&(next.date - before.date));
    let is_other_reply = next.request.reply_to.is_some() && next.request.reply_to != before.request.reply_to;
    if before.album.is_some() || next.album.is_some() {
        return follows && is_close && is_same_album(before, next);
    }
    follows && is_close && !next.is_command && !is_other_reply
}

fn is_same_album(before: &Said, next: &Said) -> bool {
    before.album.is_some() && before.album == next.album
}

/// What lay where a client cut, which the client and Telegram take away: nothing in the middle of a full message; else a
/// blank, if the next word did not fit any more; the end of a line, if the next line did not; and of a paragraph.
fn seam(units: usize, next: &str) -> &'static str {
    let room = FULL.saturating_sub(units + 1);
    let fits = |text: Option<&str>| text.is_some_and(|text| text.encode_utf16().count() <= room);
    let first_line = next.split_once('\n').map(|(line, _)| line);
    match units {
        FULL.. => "",
        _ if !fits(next.split_whitespace().next()) => " ",
        _ if !fits(first_line) => "\n",
        _ => "\n\n",
    }
}

#[cfg(test)]
mod tests {
    use super::{Assembly, assemble};
    use crate::{
        address::Names,
        inbound::{Ears, Heard},
    };
    use kanban_platform::Input;
    use serde_json::json;

    fn heard(update: i64, person: i64, message: i64, text: &str) -> Heard {
        let raw = json!({"update_id": update, "message": {
            "message_id": message, "date": message, "text": text,
            "from": {"id": person, "first_name": "x"}, "chat": {"id": person, "type": "private"},
        }});
        ears().hear(&raw).expect("an update")
    }

    fn ears() -> Ears {
        let commands = ["kanban"].map(str::to_owned).into();
        Ears {
            platform: "telegram".to_owned(),
            names: Names { bot: 99, username: "KanbanBot".to_owned(), commands },
            memory: std::sync::Arc::default(),
        }
    }

    fn texts(assembly: &Assembly) -> Vec<(&str, String)> {
        assembly
            .requests
            .iter()
            .map(|request| match &request.input {
                Input::Text(text) => (request.update.as_str(), text.clone()),
                Input::Words(_) | Input::Press { .. } => panic!("it should be a text"),
            })
            .collect()
    }

    fn long(first: &str, length: usize) -> String {
        format!("{first}{}", "x".repeat(length - first.len()))
    }

    #[test]
    fn pieces_become_one_message_with_the_update_of_the_first() {
        let (one, two) = (long("/kanban create a\n", 4096), long("y", 4050));
        let batch =
            || vec![heard(1, 7, 10, &one), heard(2, 8, 11, "hello"), heard(3, 7, 12, &two), heard(4, 7, 13, "end")];
        let whole = assemble(batch(), i64::MIN);
        assert_eq!(texts(&whole), [("1", format!("{one}{two}\nend")), ("2", "hello".to_owned())]);
        assert_eq!((whole.ready, whole.newest_open), (4, None));

        let mut open = batch();
        open.pop();
        let open = assemble(open, i64::MIN);
        assert_eq!((texts(&open), open.ready, open.newest_open), (vec![], 0, Some(3)));

        let mut given_up = batch();
        given_up.pop();
        let given_up = assemble(given_up, 3);
        assert_eq!(texts(&given_up), [("1", format!("{one}{two}")), ("2", "hello".to_owned())]);
        assert_eq!((given_up.ready, given_up.swallowed), (3, vec![3]));
    }

    #[test]
    fn an_album_is_one_message_with_all_its_files() {
        let part = |update: i64, message: i64, album: &str, caption: Option<&str>| {
            let mut raw = json!({"update_id": update, "message": {
                "message_id": message, "date": 1, "media_group_id": album,
                "from": {"id": 7, "first_name": "x"}, "chat": {"id": 7, "type": "private"},
                "document": {"file_id": format!("f{message}"), "file_unique_id": "u", "file_name": "a.txt", "file_size": 3},
            }});
            if let Some(caption) = caption {
                raw["message"]["caption"] = json!(caption);
            }
            ears().hear(&raw).expect("an update")
        };
        let batch = || vec![part(1, 10, "9", Some("/kanban create x")), part(2, 11, "9", None), part(3, 12, "8", None)];
        let held = assemble(batch(), i64::MIN);
        // An album is whole when the same person sends something else.
        assert_eq!((held.requests.len(), held.newest_open), (1, Some(3)));
        let given_up = assemble(batch(), 3);
        let files: Vec<Vec<&str>> = given_up
            .requests
            .iter()
            .map(|request| request.files.iter().map(|file| file.handle.as_str()).collect())
            .collect();
        assert_eq!(files, [vec!["f10", "f11"], vec!["f12"]]);
        assert_eq!(texts(&given_up), [("1", "/kanban create x".to_owned()), ("3", String::new())]);
    }

    #[test]
    fn what_is_confirmed_never_cuts_a_message_in_two() {
        let one = long("a", 4096);
        let batch = vec![
            heard(1, 9, 9, "first"),
            heard(2, 7, 10, &one),
            heard(3, 8, 11, &long("b", 4096)),
            heard(4, 7, 12, "end"),
        ];
        let open = assemble(batch, i64::MIN);
        assert_eq!(texts(&open), [("1", "first".to_owned())]);
        assert_eq!((open.ready, open.newest_open), (1, Some(3)));
    }

    #[test]
    fn what_lay_at_the_cut_comes_back() {
        let words = "word ".repeat(2000);
        let lines = format!("{}\n", "a line of words ".repeat(20).trim_end()).repeat(40);
        let paragraphs = lines.replacen('\n', "\n\n", 11).replacen("\n\n", "\n", 10);
        for (text, marks) in [(&words, &[" "][..]), (&lines, &["\n"]), (&paragraphs, &["\n\n"])] {
            let text = text.trim();
            let cut = marks.iter().filter_map(|mark| text[..4096].rfind(mark)).max().unwrap();
            let pieces = vec![heard(1, 7, 10, text[..cut].trim_end()), heard(2, 7, 11, text[cut..].trim_start())];
            assert_eq!(texts(&assemble(pieces, i64::MAX)), [("1", text.to_owned())]);
        }
    }

    #[test]
    fn another_command_a_late_message_and_another_person_are_no_pieces() {
        let one = long("/kanban create a\n", 4096);
        for next in [heard(2, 7, 11, "/kanban list"), heard(2, 7, 16, "late"), heard(2, 8, 11, "other")] {
            let assembly = assemble(vec![heard(1, 7, 10, &one), next], i64::MAX);
            assert_eq!(assembly.requests.len(), 2);
        }
        let short = assemble(vec![heard(1, 7, 10, "one"), heard(2, 7, 11, "two")], i64::MIN);
        assert_eq!((short.requests.len(), short.ready, short.newest_open), (2, 2, None));
    }
}
