//! What a profile of kind `script` runs: the task's body, or its first fenced block.

/// Answers the first fenced block of a task's body without its fences, or the whole body when it has none.
///
/// A block that is never closed goes to the end. A fence is three or more backticks or tildes, closed by at least as many.
pub fn script_of(body: &str) -> &str {
    let mut opened: Option<(&str, usize)> = None;
    let mut at = 0;
    for line in body.split_inclusive('\n') {
        let next = at + line.len();
        match opened {
            None => opened = fence(line).map(|mark| (mark, next)),
            Some((mark, start)) => {
                let closes = fence(line).is_some_and(|end| end.starts_with(mark) && end.len() == line.trim().len());
                if closes {
                    return &body[start..at];
                }
            }
        }
        at = next;
    }
    opened.map_or(body, |(_, start)| &body[start..])
}

/// The run of fence characters that a line begins with, at most three blanks in.
fn fence(line: &str) -> Option<&str> {
    let text = line.trim_start_matches(' ');
    let mark = text.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let length = text.len() - text.trim_start_matches(mark).len();
    // An opening line such as "```ls``` lists" is running text and no fence.
    let is_text = mark == '`' && text[length..].contains('`');
    (length >= 3 && line.len() - text.len() <= 3 && !is_text).then(|| &text[..length])
}

#[cfg(test)]
mod tests {
    use super::script_of;

    #[test]
    fn the_first_block_is_the_script() {
        for (body, script) in [
            ("echo hi", "echo hi"),
            ("", ""),
            ("```\necho hi\n```", "echo hi\n"),
            ("Please run\n```sh\necho hi\n```\nand then\n```\nrm x\n```\n", "echo hi\n"),
            ("~~~ bash\necho '```'\n```\n~~~\n", "echo '```'\n```\n"),
            ("````\n```\ninner\n```\n````\n", "```\ninner\n```\n"),
            ("```\necho open\n", "echo open\n"),
            ("```\r\necho hi\r\n```\r\n", "echo hi\r\n"),
            ("```\n```\n", ""),
            ("```ls``` lists files\necho hi", "```ls``` lists files\necho hi"),
            ("    ```\necho hi", "    ```\necho hi"),
        ] {
            assert_eq!(script_of(body), script, "{body:?}");
        }
    }
}
