//! Files that threads are sent: each is a delivery of its own, behind the text that it came with, so that neither a text
//! waits for an upload nor one file for another that cannot be sent.

use kanban_platform::{Block, Post, PostKind, Urgency, bytes};

use crate::board::id::BoardSlug;

/// What the posts of files carry as their event.
const EVENT: &str = "file";

/// Takes the files out of a post that can have them beside it, and leaves their names in one that cannot.
pub(super) fn take(post: &mut Post) -> Vec<Block> {
    let is_file = |block: &Block| matches!(block, Block::Stored { .. });
    let is_new = match post.kind {
        PostKind::News | PostKind::Reply { .. } => !post.private,
        PostKind::Edit { .. } | PostKind::Reaction { .. } => false,
    };
    if !is_new {
        for block in &mut post.body {
            if let Block::Stored { name, size, .. } = block {
                *block = Block::Text(format!("{} ({})", code(name), bytes(*size)));
            }
        }
        return Vec::new();
    }
    let (files, body) = std::mem::take(&mut post.body).into_iter().partition(is_file);
    post.body = body;
    files
}

/// The post of one file that came with another post.
pub(super) fn post(with: &Post, file: Block) -> Post {
    Post {
        delivery: String::new(),
        thread: with.thread.clone(),
        kind: PostKind::News,
        body: vec![file],
        buttons: Vec::new(),
        private: false,
        task: with.task.clone(),
        event: Some(EVENT.to_owned()),
        urgency: Urgency::File,
        prompts: false,
    }
}

/// What the thread is told in the place of a file that cannot be sent.
pub(super) fn told_instead(file: &Post, board: &BoardSlug, reason: &str) -> Post {
    let mut lines: Vec<String> = Vec::new();
    for block in &file.body {
        if let Block::Stored { name, size, .. } = block {
            lines.push(format!("{} ({}) could not be sent: {reason}.", code(name), bytes(*size)));
        }
    }
    if let Some(task) = &file.task {
        let kanban = board.program();
        lines.push(format!(
            "It is kept where the gateway runs: `{kanban} attachments {task}` lists what belongs to the task."
        ));
    }
    Post { body: vec![Block::Text(lines.join("\n"))], urgency: Urgency::News, ..file.clone() }
}

/// A name as code, in which nothing of it ends the code.
fn code(name: &str) -> String {
    format!("`{}`", name.replace(['`', '\n'], "_"))
}

#[cfg(test)]
mod tests {
    use kanban_platform::{Block, Post, PostKind, Thread, Urgency};

    use super::{post, take, told_instead};
    use crate::board::id::BoardSlug;

    fn completed() -> Post {
        let thread = Thread { platform: "p".to_owned(), space: String::new(), channel: "c".to_owned(), thread: None };
        Post {
            delivery: "d".to_owned(),
            thread,
            kind: PostKind::News,
            body: vec![Block::Title("Fix".to_owned()), stored("a`b.bin"), stored("c.txt")],
            buttons: Vec::new(),
            private: false,
            task: Some("t_1".to_owned()),
            event: Some("completed".to_owned()),
            urgency: Urgency::News,
            prompts: false,
        }
    }

    fn stored(name: &str) -> Block {
        Block::Stored { name: name.to_owned(), path: "/x".into(), size: 2048, media_type: None }
    }

    #[test]
    fn each_file_is_a_post_behind_the_text() {
        let mut told = completed();
        let files = take(&mut told);
        assert_eq!(told.body, [Block::Title("Fix".to_owned())]);
        assert_eq!(files, [stored("a`b.bin"), stored("c.txt")]);
        let file = post(&told, files[0].clone());
        assert_eq!((file.urgency, file.task.as_deref(), file.body.len()), (Urgency::File, Some("t_1"), 1));
    }

    #[test]
    fn what_cannot_have_files_names_them() {
        let mut edit = Post { kind: PostKind::Edit { message: "1".to_owned() }, ..completed() };
        assert!(take(&mut edit).is_empty());
        assert_eq!(edit.text(), "Fix\n`a_b.bin` (2.0 KB)\n`c.txt` (2.0 KB)");
        let mut private = Post { private: true, ..completed() };
        assert!(take(&mut private).is_empty());
    }

    #[test]
    fn a_file_that_cannot_be_sent_is_named_with_the_reason() {
        let file = post(&completed(), stored("a.bin"));
        let told = told_instead(&file, &"ops".parse::<BoardSlug>().unwrap(), "it is gone");
        insta::assert_snapshot!(told.text(), @r"
        `a.bin` (2.0 KB) could not be sent: it is gone.
        It is kept where the gateway runs: `/kanban --board ops attachments t_1` lists what belongs to the task.
        ");
        assert_eq!(told.urgency, Urgency::News);
    }
}
