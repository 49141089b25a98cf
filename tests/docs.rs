//! The pages: their transcript is what the program does, and the commands and files that they name exist.

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

#[path = "support/console.rs"]
mod console;
#[path = "docs/skills.rs"]
mod skills;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use kanban_gateway::{
    command::spec,
    settings::{Environment, Settings},
};
use kanban_platform::Kind;

use self::console::Console;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn the_readme_s_conversation_is_what_happens() {
    let readme = page("README.md");
    let folder = tempfile::tempdir().unwrap();
    let site = folder.path().join("site");
    fs::create_dir(&site).unwrap();
    for number in 1..=12 {
        fs::write(site.join(format!("{number}.html")), "").unwrap();
    }
    fs::write(site.join("release.sh"), block(&readme, "sh")).unwrap();
    let transcript = block(&readme, "console");
    let compared = plays("$ cargo run --release -- up", transcript, ("/srv/site", &site), folder.path());
    assert!(compared > 10, "the transcript should be found");
}

#[test]
fn the_tutorial_is_what_happens() {
    let tutorial = page("docs/tutorial.md");
    let folder = tempfile::tempdir().unwrap();
    let notes = fs::canonicalize(folder.path()).unwrap().join("notes");
    fs::create_dir(&notes).unwrap();
    fs::write(notes.join("monday.md"), "buy bread\ncall the bank\n").unwrap();
    fs::write(notes.join("tuesday.md"), "water the plants\n").unwrap();
    fs::write(notes.join("day.sh"), block(&tutorial, "sh")).unwrap();
    let transcript = blocks(&tutorial, "console").join("\n");
    let compared = plays("$ kanban up", &transcript, ("/srv/notes", &notes), folder.path());
    assert!(compared > 30, "the transcripts should be found");
}

/// Types what a transcript says was typed, and compares what is shown. Answers how many lines that were. A directory of
/// the transcript stands for one of the test, and so does each task's id.
fn plays(first: &str, transcript: &str, (named, true_folder): (&str, &Path), folder: &Path) -> usize {
    let mut lines = transcript.lines();
    assert_eq!(lines.next(), Some(first));
    let mut console = Console::up(&folder.join("home"));
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    let mut compared = 0;
    // When a card is edited depends on the clock, so the transcript leaves the edits out.
    let mut is_edit = false;
    let mut is_shown = move |line: &str| {
        if line.starts_with('[') {
            is_edit = line.contains(" edited] ");
        }
        !is_edit
    };
    let true_name = true_folder.to_str().unwrap();
    for line in lines {
        let line = line.replace(named, true_name);
        if let Some((_, typed)) = line.split_once(" you> ") {
            console.type_line(&ids.iter().fold(typed.to_owned(), |typed, (id, true_id)| typed.replace(id, true_id)));
        } else {
            let shown = loop {
                let shown = console.next_line();
                if is_shown(&shown) {
                    break shown;
                }
            };
            assert_eq!(steady(&shown), steady(&line));
            ids.extend(ids_in(&line).into_iter().zip(ids_in(&shown)));
            compared += 1;
        }
    }
    let (rest, status) = console.finish();
    let rest: Vec<_> = rest.into_iter().filter(|line| is_shown(line)).collect();
    assert!(rest.is_empty(), "the transcript should be whole; there is more: {rest:#?}");
    assert!(status.success(), "{status}");
    compared
}

/// The ids of tasks in a line, in order.
fn ids_in(line: &str) -> Vec<String> {
    let starts = line.match_indices("t_").filter(|(at, _)| !line[..*at].ends_with(char::is_alphanumeric));
    let id = |at: usize| line[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    starts.map(|(at, _)| id(at)).collect()
}

/// The book leaves no page out, and each of its lines leads to one.
#[test]
fn the_book_has_every_page_once() {
    let summary = page("docs/SUMMARY.md");
    let mut listed: Vec<_> = links(&summary).map(|link| format!("docs/{link}")).collect();
    listed.sort();
    let mut written: Vec<_> = pages()
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| name.starts_with("docs/") && name != "docs/SUMMARY.md")
        .collect();
    written.sort();
    assert_eq!(listed, written);
    assert!(page("docs/book.toml").lines().any(|line| line == "src = \".\""), "the pages are where the summary is");
    for (name, text) in pages().into_iter().filter(|(name, _)| name.starts_with("docs/") && name != "docs/SUMMARY.md") {
        assert!(text.starts_with("# "), "{name} begins with its title");
    }
}

#[test]
fn the_readme_has_two_commands() {
    let readme = page("README.md");
    let commands = blocks(&readme, "sh")
        .into_iter()
        .flat_map(str::lines)
        .filter(|line| line.starts_with("cargo"))
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .collect::<Vec<_>>();
    assert_eq!(commands, ["cargo run --release -- up", "cargo test --workspace"]);
}

#[test]
fn commands_on_the_pages_exist() {
    let mut found = 0;
    for (name, text) in pages() {
        for code in code(&text) {
            for words in commands_in(&code) {
                found += 1;
                // Discord's menu alone has this one, for the whole grammar.
                if name == "docs/platforms/discord.md" && words.first().is_some_and(|verb| verb == "run") {
                    continue;
                }
                if let Err(wrong) = judge(&words) {
                    panic!("{name}: `{}`: {wrong}", words.join(" "));
                }
            }
        }
    }
    assert!(found > 40, "the commands should be found; there are {found}");
}

#[test]
fn a_command_that_does_not_exist_is_noticed() {
    for (line, wrong) in [
        ("kanban finish t_4k2", "there is no verb `finish`"),
        ("kanban complete ID --sumary x", "`complete` has no option `--sumary`"),
        ("x=$(kanban dispatch nap)", "`dispatch` has no verb `nap`"),
        ("/kanban list --all | head", "`list` has no option `--all`"),
        ("true && kanban --hom /x list", "there is no option `--hom` before the verb"),
    ] {
        let judged: Vec<_> = commands_in(line).iter().filter_map(|words| judge(words).err()).collect();
        assert_eq!(judged, [wrong], "{line}");
    }
    for line in [
        "kanban create words -- --all",
        "kanban block ID --kind needs_input \"shall I add --all?\"",
        "kanban --board web dispatch pause claude; echo --all",
        "kanban VERB --help",
        "ls ~/.local/share/kanban --all",
    ] {
        for words in commands_in(line) {
            assert_eq!(judge(&words), Ok(()), "{line}");
        }
    }
}

/// What a page tells people to write into `kanban.toml` is taken as it stands.
#[test]
fn settings_on_the_pages_are_settings() {
    let mut found = 0;
    // What the generated page shows of recipes is a file of the program.
    for (name, text) in pages().into_iter().filter(|(name, _)| name != "docs/configuration.md") {
        for settings in settings_in(&text) {
            let home = tempfile::tempdir().unwrap();
            // The secrets of the pages, in files of this test.
            let secrets = home.path().join("secrets");
            fs::create_dir(&secrets).unwrap();
            for file in settings.split("/etc/kanban/").skip(1) {
                let file = file.split('"').next().unwrap();
                fs::write(secrets.join(file), file).unwrap();
            }
            let settings = settings.replace("/etc/kanban/", &format!("{}/", secrets.display()));
            fs::write(home.path().join("kanban.toml"), &settings).unwrap();
            if let Err(refusal) = Settings::load(home.path(), &Environment::default()) {
                panic!("{name}:\n{settings}\n{refusal}");
            }
            found += 1;
        }
    }
    assert!(found > 5, "the settings should be found; there are {found}");
}

/// The fenced blocks of settings, also those inside of lists.
fn settings_in(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for line in text.lines() {
        match (line.trim(), open.as_mut()) {
            ("```toml", _) => open = Some(String::new()),
            ("```", Some(_)) => blocks.extend(open.take()),
            (line, Some(block)) => *block += &format!("{line}\n"),
            (_, None) => {}
        }
    }
    blocks
}

#[test]
fn links_lead_somewhere() {
    let mut found = 0;
    for (name, text) in pages() {
        for link in links(&text).filter(|link| !link.contains("://")) {
            let file = link.split('#').next().unwrap_or_default();
            let target = Path::new(ROOT).join(&name).parent().unwrap().join(file);
            assert!(file.is_empty() || target.exists(), "{name} links to `{link}`, which does not exist");
            found += 1;
        }
    }
    assert!(found > 10, "the links should be found; there are {found}");
}

#[test]
fn files_that_a_page_names_exist() {
    let mut found = 0;
    for (name, text) in pages() {
        for code in code(&text) {
            let file = code.split("::").next().unwrap_or_default();
            let is_ours = ["src/", "tests/", "adapters/", "benches/", "docs/"].iter().any(|top| file.starts_with(top));
            if is_ours && !file.contains(['*', ' ', '{']) {
                assert!(Path::new(ROOT).join(file).exists(), "{name} names `{file}`, which does not exist");
                found += 1;
            }
        }
    }
    assert!(found > 40, "the files should be found; there are {found}");
}

/// Agents find a skill by its front matter: the folder's name, and when to use it.
#[test]
fn skills_say_what_they_are_for() {
    let skills: Vec<_> = pages().into_iter().filter(|(name, _)| name.starts_with("skills/")).collect();
    assert!(!skills.is_empty(), "the skills should be found");
    for (name, text) in skills {
        let folder = Path::new(&name).parent().and_then(Path::file_name).unwrap().to_str().unwrap();
        let (front, body) = text.strip_prefix("---\n").and_then(|text| text.split_once("\n---\n")).unwrap();
        let value = |key: &str| front.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
        assert_eq!(value("name"), Some(folder), "{name}");
        let description = value("description").unwrap_or_default();
        assert!((1..=1024).contains(&description.len()), "{name}: {} characters", description.len());
        assert!(!body.trim().is_empty(), "{name}");
    }
}

/// A line without what differs from run to run: ids and durations.
fn steady(line: &str) -> String {
    let words = line.split(' ').map(|word| {
        let is_duration = word.strip_suffix('s').is_some_and(|number| number.parse::<f64>().is_ok());
        if is_duration { "TIME".to_owned() } else { without_id(word) }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// An id may stand between signs, as in `(t_4k2,`.
fn without_id(word: &str) -> String {
    match word.split_once("t_") {
        Some((before, id)) if before.chars().all(|c| !c.is_alphanumeric()) => {
            let rest = id.trim_start_matches(|c: char| c.is_ascii_alphanumeric());
            format!("{before}ID{rest}")
        }
        Some(_) | None => word.to_owned(),
    }
}

fn page(name: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(name)).unwrap()
}

/// Every page, by its path from the root.
fn pages() -> Vec<(String, String)> {
    let mut files = vec![Path::new(ROOT).join("README.md")];
    for folder in ["docs", "skills"] {
        walk(&Path::new(ROOT).join(folder), &mut files);
    }
    files
        .into_iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "md"))
        .map(|file| {
            let name = file.strip_prefix(ROOT).unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(&file).unwrap())
        })
        .collect()
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, files) } else { files.push(path) }
    }
}

/// The first fenced block in this language.
fn block<'t>(text: &'t str, language: &str) -> &'t str {
    blocks(text, language).first().copied().unwrap_or_default()
}

fn blocks<'t>(text: &'t str, language: &str) -> Vec<&'t str> {
    let opening = format!("```{language}\n");
    text.split(opening.as_str()).skip(1).filter_map(|rest| rest.split_once("\n```")).map(|(block, _)| block).collect()
}

/// What stands in fenced blocks, in indented blocks and between backticks, line by line.
fn code(text: &str) -> Vec<String> {
    let mut code = Vec::new();
    let mut fenced = false;
    let mut prose = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced || line.starts_with("    ") {
            code.push(line.to_owned());
        } else {
            // A span may go on in the next line.
            prose.push_str(line.trim());
            prose.push(if line.trim().is_empty() { '\n' } else { ' ' });
        }
    }
    for paragraph in prose.lines() {
        code.extend(paragraph.split('`').skip(1).step_by(2).map(str::to_owned));
    }
    code
}

/// The words behind each `kanban` that is called in a line of shell or chat, up to the end of that command.
fn commands_in(line: &str) -> Vec<Vec<String>> {
    let mut commands: Vec<Vec<String>> = Vec::new();
    let mut open = false;
    // A comment of the shell begins with a number sign of its own.
    let line = line.split(" # ").next().unwrap_or_default();
    for word in shell_words(line) {
        let name = word.trim_start_matches(|c: char| "$(\"'".contains(c)).rsplit("=$(").next().unwrap_or_default();
        if matches!(name, "kanban" | "/kanban") {
            commands.push(Vec::new());
            open = true;
        } else if matches!(word.as_str(), "|" | "||" | "&&" | "&" | "--" | ">") {
            open = false;
        } else if open && let Some(words) = commands.last_mut() {
            let ended = word.ends_with([';', ')']);
            words.push(word.trim_end_matches([';', ')', '"']).to_owned());
            open = !ended;
        }
    }
    commands
}

/// Splits at blanks outside of double quotes; what is quoted stays with its quotes.
fn shell_words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        quoted ^= c == '"';
        if c == ' ' && !quoted {
            words.push(String::new());
        } else if let Some(word) = words.last_mut() {
            word.push(c);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether the verb and each of its options are declared.
fn judge(words: &[String]) -> Result<(), String> {
    let root = spec();
    let mut verb = root;
    let mut path = String::new();
    // Whether a verb may still come, and whether the next word is an option's value.
    let (mut at_verb, mut at_value) = (true, false);
    for word in words {
        if std::mem::take(&mut at_value) || word.starts_with(['[', '<', '"']) {
            continue;
        }
        if let Some(option) = word.strip_prefix("--") {
            let name = option.split('=').next().unwrap_or_default();
            let declared = verb.args.iter().chain(&root.args).find(|arg| !arg.positional && arg.name == name);
            match declared {
                Some(arg) => at_value = arg.kind != Kind::Flag && !option.contains('='),
                None if name == "help" => {}
                None if path.is_empty() => return Err(format!("there is no option `--{name}` before the verb")),
                None => return Err(format!("`{path}` has no option `--{name}`")),
            }
        } else if !at_verb {
            continue;
        } else if let Some(next) = verb.at(&[word]) {
            verb = next;
            path = format!("{path} {word}").trim().to_owned();
            at_verb = !verb.verbs.is_empty();
        } else if path.is_empty() && (is_placeholder(word) || word == "help") {
            return Ok(());
        } else if path.is_empty() {
            return Err(format!("there is no verb `{word}`"));
        } else if is_placeholder(word) {
            at_verb = false;
        } else {
            return Err(format!("`{path}` has no verb `{word}`"));
        }
    }
    Ok(())
}

/// Words that stand for others: `VERB`, `…`, `<verb>`.
fn is_placeholder(word: &str) -> bool {
    word.contains('…') || (word.len() > 1 && word.chars().all(|c| c.is_ascii_uppercase()))
}

/// The targets of Markdown links.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link)
}
