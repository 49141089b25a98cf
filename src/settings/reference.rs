//! `docs/configuration.md`, from the declaration.

use super::{
    declaration::{Group, NAME, groups},
    recipe,
    template::Placeholder,
};

/// The page on settings, as Markdown.
pub fn reference() -> String {
    // A further account of a platform has the keys of the first.
    let is_account = |group: &&Group| group.path.first() == Some(&"platforms") && group.path.last() == Some(&NAME);
    let sections: String = groups().iter().filter(|group| !is_account(group)).map(section).collect();
    let placeholders: String = Placeholder::ALL
        .iter()
        .map(|placeholder| format!("- `{{{}}}`: {}\n", placeholder.name(), placeholder.about()))
        .collect();
    let recipes: String =
        recipe::SOURCES.iter().map(|(name, source)| format!("### `{name}`\n\n```toml\n{source}```\n\n")).collect();
    format!(
        "{HEAD}{sections}## Placeholders of `command`, `resume`, `talk`, `mcp`, `mcp_file` and `place`\n\n\
         {TEMPLATES}{placeholders}\n{RECIPES}{}\n",
        recipes.trim_end()
    )
}

const HEAD: &str = r#"# Settings

This page is generated from the declaration in `src/settings/`; `KANBAN_BLESS=1 cargo test --test settings` writes it anew.

Nothing has to be set. A value comes from the last of these that gives one:

1. the defaults below, and for profiles the built-in recipes
2. for the profile NAME, `profiles/NAME.toml` in the home, with the keys of `[profiles.NAME]` and no heading
3. `kanban.toml` in the home: `--home DIR`, else `KANBAN_HOME`, else `kanban` in the user's data directory
   (`$XDG_DATA_HOME` or `~/.local/share`; on macOS `~/Library/Application Support`)
4. environment variables: `dispatch.max_running` is `KANBAN__DISPATCH__MAX_RUNNING`. A list is `a,b` or `["a", "b"]`
   (`command` only the latter), and `none` takes back a value. Variables with one underscore, such as
   `KANBAN_HOME`, are no settings.

`kanban settings show` prints every value that is in force and where it comes from, with secrets hidden. Unknown keys and
values of a wrong type are refused, all at once.

"#;

const TEMPLATES: &str =
    "Each item of the list becomes exactly one argument, whatever the text contains; there is no shell. `{{` and `}}`
are braces. Another placeholder is refused, and so is `{title}` in a script that a shell reads.

";

const RECIPES: &str = "## Built-in recipes

`script` is always there. The agents become profiles when no profile is set at all and their program is on `PATH`; with
`[profiles.claude]` and no `command`, the recipe's keys stand below your own. A `command` of your own takes the place of all
that belongs to another command: `command`, `resume`, `talk`, `prompt`, `place`, `session_pattern`, `gone_pattern`, `mcp`,
`mcp_file`, `outbox`, `version` and `status`. [workers.md](workers.md) says what each is for.

";

fn section(group: &Group) -> String {
    let rows: String = group
        .fields
        .iter()
        .map(|field| {
            let cells = [format!("`{}`", field.key), (field.expected)(), (field.default)(), sentences(field.about)];
            format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "))
        })
        .collect();
    format!(
        "## `[{}]`\n\n{}\n\n| key | value | default | |\n|---|---|---|---|\n{rows}\n",
        group.path.join("."),
        paragraphs(group.about)
    )
}

fn sentences(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

fn paragraphs(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join("\n")
}
