//! Discord's menu, made from the real declaration: what people see, and whether Discord takes it.

use jsonschema::Registry;
use kanban_discord::{WHOLE, menu, size};
use kanban_fakes::published;
use kanban_gateway::command::{spec, verbs::MENU};
use serde_json::{Value, json};

/// One node of the menu a line, so that a change of it is read easily.
fn lines(node: &Value, depth: usize, out: &mut String) {
    let mut head = node.clone();
    let inner = head.as_object_mut().and_then(|head| head.shift_remove("options"));
    *out += &format!("{}{head}\n", "  ".repeat(depth));
    for option in inner.iter().filter_map(Value::as_array).flatten() {
        lines(option, depth + 1, out);
    }
}

fn options(node: &Value) -> &[Value] {
    node["options"].as_array().map_or(&[], Vec::as_slice)
}

/// The command itself, as Discord takes it: "Application Commands", "Application Command Option Structure".
fn kanban() -> Value {
    menu(spec())[0].clone()
}

#[test]
fn the_menu_of_the_real_declaration() {
    let mut out = String::new();
    menu(spec()).as_array().unwrap().iter().for_each(|command| lines(command, 0, &mut out));
    insta::assert_snapshot!(out);
}

#[test]
fn every_verb_of_the_menu_is_there_with_help_and_the_whole_grammar() {
    let kanban = kanban();
    let mut names: Vec<_> = options(&kanban).iter().map(|verb| verb["name"].as_str().unwrap()).collect();
    let mut expected: Vec<_> = MENU.iter().copied().chain(["help", "run"]).collect();
    names.sort_unstable();
    expected.sort_unstable();
    assert_eq!(names, expected);
}

#[test]
fn the_menu_keeps_to_the_published_limits() {
    fn check(node: &Value, depth: usize) {
        let (name, about) = (node["name"].as_str().unwrap(), node["description"].as_str().unwrap());
        let is_named = (1..=32).contains(&name.chars().count())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c));
        assert!(is_named, "`{name}` is no name for Discord");
        let translations = node["description_localizations"].as_object();
        let texts = translations.into_iter().flatten().map(|(_, text)| text.as_str().unwrap());
        for text in texts.chain([about]) {
            let count = text.chars().count();
            assert!((1..=100).contains(&count), "`{name}`: {text:?} has {count} characters");
        }
        let inner = options(node);
        assert!(inner.len() <= 25, "`{name}` has {} options", inner.len());
        assert!(inner.is_sorted_by_key(|option| option["required"] != true), "`{name}`: the required ones come first");
        let choices = node["choices"].as_array().map_or(&[][..], Vec::as_slice);
        assert!(choices.len() <= 25, "`{name}` has {} choices", choices.len());
        for text in choices.iter().flat_map(|choice| [&choice["name"], &choice["value"]]) {
            assert!((1..=100).contains(&text.as_str().unwrap().chars().count()), "`{name}`: the choice {text}");
        }
        assert!(choices.is_empty() || node["autocomplete"] != true, "`{name}` has choices and proposals");
        // Groups hold verbs, verbs hold values, and there it ends.
        match (depth, node["type"].as_u64().unwrap()) {
            (0, 1) | (1, 1 | 2) | (2, 1) => {}
            (2 | 3, 3..=11) => assert!(inner.is_empty(), "`{name}` is a value"),
            (depth, kind) => panic!("`{name}` of type {kind} lies {depth} deep"),
        }
        for (at, option) in inner.iter().enumerate() {
            let is_new = inner[..at].iter().all(|other| other["name"] != option["name"]);
            assert!(is_new, "`{name}` has {} twice", option["name"]);
            check(option, depth + 1);
        }
    }
    check(&kanban(), 0);
}

#[test]
#[expect(clippy::print_stderr, reason = "the room that is left is for people to read")]
fn the_menu_fits_with_its_translations() {
    fn length(text: &Value) -> usize {
        text.as_str().map_or(0, |text| text.chars().count())
    }
    fn cost(node: &Value) -> usize {
        let translated = node["description_localizations"].as_object().into_iter().flatten();
        let about = translated.map(|(_, text)| length(text)).chain([length(&node["description"])]).max();
        let choices = node["choices"].as_array().into_iter().flatten();
        let choices: usize = choices.map(|choice| length(&choice["name"]) + length(&choice["value"])).sum();
        length(&node["name"]) + about.unwrap_or(0) + choices + options(node).iter().map(cost).sum::<usize>()
    }
    let kanban = kanban();
    let whole = cost(&kanban);
    eprintln!("{} verbs, {whole} of 8000 characters", options(&kanban).len());
    assert_eq!((size(&kanban), WHOLE), (whole, 8_000));
    assert!(whole <= 8_000, "{whole} characters");
    // Else it was too long, and is said in one language or in fewer words.
    let about = spec().at(&["create"]).unwrap();
    let create = options(&kanban).iter().find(|verb| verb["name"] == "create").unwrap();
    assert_eq!(create["description"], about.about);
    assert_eq!(create["description_localizations"]["de"], about.translations["de"]);
}

#[test]
fn discords_published_descriptions_take_the_menu() {
    let menu = menu(spec());
    // Of the description that was made from types, only that of options is true to them.
    if let Some(mut schema) = published("discord-commands.schema.json") {
        schema["$ref"] = "#/definitions/APIApplicationCommandOption".into();
        let validator = jsonschema::validator_for(&schema).unwrap();
        for verb in options(&menu[0]) {
            assert!(validator.is_valid(verb), "{verb:#}");
        }
        assert!(!validator.is_valid(&json!({ "type": 3, "name": 7, "description": "" })), "types should be looked at");
    }
    if let Some(document) = published("discord-openapi.json") {
        let registry = Registry::new().add("urn:discord", &document).unwrap().prepare().unwrap();
        let route = "/paths/~1applications~1%7Bapplication_id%7D~1commands/put";
        let body = format!("urn:discord#{route}/requestBody/content/application~1json/schema");
        let validator = jsonschema::options().with_registry(&registry).build(&json!({ "$ref": body })).unwrap();
        let wrong: Vec<_> = validator.iter_errors(&menu).map(|error| error.instance_path().to_string()).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(!validator.is_valid(&json!([{ "type": 1, "name": "x".repeat(33) }])), "limits should be looked at");
    }
}
