//! A command as a person types it after `/kanban`.

/// The verb with its fields: options as `--name=value`, what has a place of its own at the end, as it is.
pub(crate) fn command_line(verb: &[&str], fields: &[(&str, &str)]) -> String {
    let mut words: Vec<String> = verb.iter().map(|&word| word.to_owned()).collect();
    let (placed, named): (Vec<(&str, &str)>, Vec<_>) =
        fields.iter().copied().partition(|(name, _)| has_place(verb, name));
    for (name, value) in named {
        match value {
            "true" => words.push(format!("--{name}")),
            "false" => {}
            value => words.push(format!("--{name}={}", quoted(value))),
        }
    }
    words.extend(placed.into_iter().map(|(_, value)| value.to_owned()));
    words.join(" ")
}

/// Whether a field is given by its place: those of `docs/commands.md` that stand there without dashes.
fn has_place(verb: &[&str], field: &str) -> bool {
    match field {
        "title" | "task" | "tasks" | "id" | "text" | "slug" | "words" | "child" | "dir" | "path" => true,
        "parent" => matches!(verb, ["link" | "unlink"]),
        "reason" => matches!(verb, ["block"]),
        "name" => matches!(verb, ["boards", "rename"]),
        "profile" | "assignee" => matches!(verb, ["assign" | "reassign"]),
        _ => false,
    }
}

fn quoted(value: &str) -> String {
    let is_plain = !value.is_empty() && value.chars().all(|next| next.is_alphanumeric() || "._-:/@+,=".contains(next));
    if is_plain { value.to_owned() } else { format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")) }
}

#[cfg(test)]
mod tests {
    use super::command_line;

    #[test]
    fn a_person_types_options_before_running_text() {
        assert_eq!(
            command_line(&["create"], &[("title", "Fix the login"), ("parent", "t_1"), ("tenant", "two words")]),
            "create --parent=t_1 --tenant=\"two words\" Fix the login"
        );
        assert_eq!(command_line(&["list"], &[("mine", "true")]), "list --mine");
    }
}
