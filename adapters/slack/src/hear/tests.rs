//! What is heard in each kind of payload.

use std::sync::Arc;

use kanban_platform::{Arg, Capability, Input, Kind, Request, Spec, Surface};
use serde_json::{Value, json};

use super::{Heard, Hearing};
use crate::{
    groups::Groups,
    names::Names,
    payload::Payload,
    return_address::ReturnAddress,
    web::{Identity, Web},
};

const NOW: i64 = 1_700_000_000_000;

fn spec() -> Spec {
    let verb = |name: &str, alias: &str, args: Vec<Arg>| Spec {
        name: name.to_owned(),
        about: String::new(),
        aliases: vec![alias.to_owned()],
        usage: String::new(),
        args,
        verbs: Vec::new(),
        surface: Surface::Menu,
        capability: Capability::Write,
        shortcut: None,
        translations: std::collections::BTreeMap::new(),
    };
    let arg = |name: &str, kind: Kind, positional: bool, list: bool| Arg {
        name: name.to_owned(),
        about: format!("the {name}"),
        kind,
        required: positional,
        list,
        positional,
        default: None,
    };
    let create = verb(
        "create",
        "new",
        vec![
            arg("title", Kind::Text, true, true),
            arg("body", Kind::Prose, false, false),
            arg("assignee", Kind::Profile, false, false),
            arg("parent", Kind::Task, false, true),
            arg("priority", Kind::Integer, false, false),
            arg("json", Kind::Flag, false, false),
        ],
    );
    Spec {
        args: vec![arg("board", Kind::Board, false, false)],
        verbs: vec![create, verb("list", "ls", Vec::new())],
        ..verb("kanban", "kb", Vec::new())
    }
}

fn hear(payload: Payload) -> Heard {
    let us = Identity { team: "T1".to_owned(), user: "UBOT".to_owned(), name: "kanban".to_owned() };
    let web = Arc::new(Web::new("xoxb-none", None));
    let (names, groups) = (Arc::new(Names::new(Arc::clone(&web))), Arc::new(Groups::new(web)));
    Hearing::new("slack.acme".to_owned(), us, names, groups).hear(payload, &spec(), NOW)
}

fn event(event: &Value) -> Heard {
    let payload = json!({"type": "event_callback", "team_id": "T1", "event_id": "Ev1", "event": event});
    hear(Payload::of_envelope("events_api", payload).unwrap().unwrap())
}

fn interaction(interaction: Value) -> Heard {
    hear(Payload::of_envelope("interactive", interaction).unwrap().unwrap())
}

fn command(text: &str) -> Heard {
    hear(
        Payload::of_envelope(
            "slash_commands",
            json!({
                "team_id": "T1", "channel_id": "C1", "user_id": "U1", "user_name": "ann", "command": "/kanban",
                "text": text, "response_url": "https://example.com/r", "trigger_id": "13.37.abc", "api_app_id": "A1",
            }),
        )
        .unwrap()
        .unwrap(),
    )
}

fn request(heard: Heard) -> Request {
    match heard {
        Heard::Request(request) => *request,
        heard => panic!("no request but {heard:?}"),
    }
}

fn message(more: &Value) -> Value {
    let mut message = json!({
        "type": "message", "user": "U1", "text": "<@UBOT> list", "ts": "10.000001", "channel": "C1",
        "channel_type": "channel", "team": "T1", "event_ts": "10.000001",
        "blocks": [{"type": "rich_text", "elements": []}],
    });
    for (key, value) in more.as_object().unwrap() {
        message[key] = value.clone();
    }
    message
}

#[test]
fn a_mention_comes_twice_and_is_one_request() {
    let first = request(event(&message(&json!({"thread_ts": "9.000001"}))));
    let mention = json!({"type": "app_mention", "thread_ts": "9.000001", "channel_type": null});
    let second = request(event(&message(&mention)));
    assert_eq!(first, second);
    assert_eq!(first.message.as_deref(), Some("10.000001"));
    assert!(!first.is_channel);
    assert_eq!(first.update, "mC1.10.000001");
    assert_eq!(first.input, Input::Text("list".to_owned()));
    assert_eq!((first.author.platform.as_str(), first.author.id.as_str()), ("slack", "T1/U1"));
    assert_eq!(first.thread.platform, "slack.acme");
    assert_eq!((first.thread.space.as_str(), first.thread.thread.as_deref()), ("T1", Some("9.000001")));
    assert_eq!(first.reply_to.as_deref(), Some("9.000001"));
    assert!(first.addressed);
}

#[test]
fn who_is_not_spoken_to_is_told_so_and_a_direct_message_needs_no_mention() {
    let overheard = request(event(&message(&json!({"text": "/kanban list &amp; more"}))));
    assert!(!overheard.addressed && overheard.reply_to.is_none() && overheard.thread.thread.is_none());
    assert_eq!(overheard.input, Input::Text("/kanban list & more".to_owned()));
    let direct = request(event(&message(&json!({"text": "list", "channel": "D1", "channel_type": "im"}))));
    assert!(direct.addressed);
    let aside = request(event(&message(&json!({"text": "ask <@UBOT|kanban> later"}))));
    assert!(aside.addressed);
    assert_eq!(aside.input, Input::Text("ask @kanban later".to_owned()));
    let guest = request(event(&message(&json!({"user_team": "T9"}))));
    assert_eq!(guest.author.id, "T9/U1");
}

#[test]
fn bots_edits_and_the_platforms_own_notes_are_left_alone() {
    for more in [
        json!({"bot_id": "B1"}),
        json!({"user": "UBOT"}),
        json!({"user": null}),
        json!({"subtype": "message_changed", "hidden": true}),
        json!({"subtype": "channel_join"}),
        json!({"type": "app_mention", "edited": {"user": "U1", "ts": "11.0"}}),
        json!({"type": "reaction_added"}),
        json!({"type": "channel_rename", "channel": {"id": "C1"}}),
    ] {
        assert_eq!(event(&message(&more)), Heard::Nothing, "{more}");
    }
    let with_file = request(event(&message(&json!({"subtype": "file_share"}))));
    assert_eq!(with_file.update, "mC1.10.000001");
}

#[test]
fn a_slash_command_is_the_text_as_it_was_typed() {
    let heard = request(command("create fix &lt;b&gt; with <@U2|bob> in <#C2|ops>"));
    assert_eq!(heard.update, "s13.37.abc");
    assert_eq!(heard.input, Input::Text("/kanban create fix <b> with @bob in #ops".to_owned()));
    assert_eq!(heard.author.name, "ann");
    assert!(heard.addressed && heard.is_channel && heard.thread.thread.is_none() && heard.message.is_none());
    let back = ReturnAddress::from_json(heard.return_address.as_deref().unwrap()).unwrap();
    assert_eq!((back.user.as_str(), back.at, back.may_replace), ("U1", NOW, true));
    assert_eq!(request(command("")).input, Input::Text("/kanban".to_owned()));
}

#[test]
fn creating_nothing_in_particular_opens_the_form() {
    for text in ["create", " New "] {
        let Heard::Open { trigger_id, form } = command(text) else { panic!("no form for `{text}`") };
        assert_eq!(trigger_id, "13.37.abc");
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(form.view(&spec()).unwrap());
        }
    }
    assert!(matches!(command("create it"), Heard::Request(_)));
}

#[test]
fn the_shortcut_fills_the_form_with_the_message() {
    let heard = interaction(json!({
        "type": "message_action", "callback_id": "create_task", "trigger_id": "1.2", "response_url": "https://e.com/r",
        "team": {"id": "T1", "domain": "acme"}, "user": {"id": "U1", "name": "ann"},
        "channel": {"id": "C1", "name": "ops"}, "message_ts": "5.5",
        "message": {"type": "message", "user": "U2", "ts": "5.5", "text": "\nFix &lt;this&gt;\nplease"},
    }));
    let Heard::Open { form, .. } = heard else { panic!("no form but {heard:?}") };
    assert_eq!(form.title, "Fix <this>");
    assert_eq!(form.body, "\nFix <this>\nplease");
    assert_eq!(form.place.thread.as_deref(), Some("5.5"));
    assert_eq!(form.message.as_deref(), Some("5.5"));
}

#[test]
fn a_form_that_is_filled_in_becomes_words() {
    let Heard::Open { form, .. } = command("create") else { panic!("no form") };
    let metadata = form.view(&spec()).unwrap()["private_metadata"].clone();
    let submitted = |values: Value| {
        interaction(json!({
            "type": "view_submission", "team": {"id": "T1"}, "user": {"id": "U1", "name": "ann", "team_id": "T1"},
            "trigger_id": "1.2",
            "view": {
                "id": "V1", "hash": "h.1", "callback_id": "create_task", "private_metadata": metadata,
                "state": {"values": values},
            },
        }))
    };
    let option = |value: &str| json!({"text": {"type": "plain_text", "text": value}, "value": value});
    let heard = request(submitted(json!({
        "field.title": {"title": {"type": "plain_text_input", "value": " count files "}},
        "field.body": {"body": {"type": "plain_text_input", "value": "all\nof them"}},
        "field.assignee": {"assignee": {"type": "external_select", "selected_option": option("script")}},
        "field.parent": {"parent": {"selected_options": [option("t_1"), option("t_2")]}},
        "field.priority": {"priority": {"type": "number_input", "value": null}},
        "field.board": {"board": {"type": "external_select", "selected_option": null}},
    })));
    assert_eq!(heard.update, "vV1.h.1");
    assert_eq!(
        heard.input,
        Input::Words(
            ["create", "--body=all\nof them", "--assignee=script", "--parent=t_1", "--parent=t_2", "--", "count files"]
                .map(str::to_owned)
                .to_vec()
        )
    );
    assert_eq!(heard.thread.channel, "C1");
    assert!(heard.return_address.unwrap().contains("https://example.com/r"));
}

#[test]
fn a_press_names_the_message_and_the_button() {
    let pressed = |message: Value, container: Value| {
        request(interaction(json!({
            "type": "block_actions", "team": {"id": "T1"}, "user": {"id": "U1", "username": "ann", "team_id": "T1"},
            "channel": {"id": "C1", "name": "ops"}, "trigger_id": "1.2", "response_url": "https://e.com/r",
            "container": container, "message": message,
            "actions": [{"type": "button", "action_id": "press.0", "value": "k1.retry", "action_ts": "7.7"}],
        })))
    };
    let container = json!({"type": "message", "message_ts": "5.5", "channel_id": "C1"});
    let heard = pressed(json!({"ts": "5.5", "thread_ts": "4.4", "text": "x"}), container.clone());
    assert_eq!(heard.input, Input::Press { message: "5.5".to_owned(), button: "k1.retry".to_owned(), words: None });
    assert_eq!((heard.update.as_str(), heard.thread.thread.as_deref()), ("a1.2", Some("4.4")));
    let back = ReturnAddress::from_json(heard.return_address.as_deref().unwrap()).unwrap();
    assert!(!back.may_replace, "an answer must not replace the message that everybody sees");
    let first_of_a_thread = pressed(json!({"ts": "5.5", "thread_ts": "5.5"}), container);
    assert_eq!(first_of_a_thread.thread.thread, None);
    let private = pressed(json!(null), json!({"message_ts": "5.5", "channel_id": "C1", "thread_ts": "4.4"}));
    assert_eq!(private.thread.thread.as_deref(), Some("4.4"));
}

#[test]
fn a_field_is_filled_in_with_the_board_that_was_chosen() {
    let place = json!({"channel": "C1", "thread": "4.4", "answer_to": {"user": "U1"}}).to_string();
    let heard = interaction(json!({
        "type": "block_suggestion", "team": {"id": "T1"}, "user": {"id": "U1"}, "action_id": "parent",
        "block_id": "field.parent", "value": "cou", "container": {"type": "view", "view_id": "V1"},
        "view": {"id": "V1", "callback_id": "create_task", "private_metadata": place, "state": {"values": {
            "field.board": {"board": {"type": "external_select", "selected_option": {"value": "ops"}}},
        }}},
    }));
    let Heard::Suggest(field) = heard else { panic!("no field but {heard:?}") };
    assert_eq!((field.kind, field.typed.as_str(), field.board.as_deref()), (Kind::Task, "cou", Some("ops")));
    assert_eq!(field.author.id, "T1/U1");
    assert_eq!((field.thread.channel.as_str(), field.thread.thread.as_deref()), ("C1", Some("4.4")));
}

#[test]
fn the_home_tab_is_for_whoever_looks_at_it() {
    let opened = |tab: &str| event(&json!({"type": "app_home_opened", "user": "U1", "channel": "D1", "tab": tab}));
    assert!(matches!(opened("home"), Heard::Home(author) if author.id == "T1/U1"));
    assert_eq!(opened("messages"), Heard::Nothing);
}

#[test]
fn a_button_that_asks_for_words_opens_a_form_and_comes_back_as_a_press() {
    let pressed = |key: &str, label: &str| {
        interaction(json!({
            "type": "block_actions", "team": {"id": "T1"}, "user": {"id": "U1", "name": "ann", "team_id": "T1"},
            "channel": {"id": "C1", "name": "ops"}, "trigger_id": "1.2", "response_url": "https://e.com/r",
            "container": {"type": "message", "message_ts": "5.5", "channel_id": "C1", "thread_ts": "4.4"},
            "actions": [{
                "type": "button", "action_id": "press.0", "value": key, "action_ts": "7.7",
                "text": {"type": "plain_text", "text": label},
            }],
        }))
    };
    assert!(matches!(pressed("Show", "Show"), Heard::Request(_)), "a label is no key");
    assert!(matches!(pressed("k1.a", "Answer"), Heard::Request(_)));
    let Heard::Ask { trigger_id, ask } = pressed("k1.w", "Answer \u{202e}<!channel>\nin more than 24 letters") else {
        panic!("no form")
    };
    assert_eq!(trigger_id, "1.2");
    let view = ask.view();
    insta::assert_json_snapshot!(view);
    let submitted = |words: Value| {
        interaction(json!({
            "type": "view_submission", "team": {"id": "T1"}, "user": {"id": "U1", "name": "ann", "team_id": "T1"},
            "view": {
                "id": "V1", "hash": "h.1", "callback_id": view["callback_id"],
                "private_metadata": view["private_metadata"],
                "state": {"values": {"words": {"words": {"type": "plain_text_input", "value": words}}}},
            },
        }))
    };
    let heard = request(submitted(json!(" take Stripe\nplease ")));
    let words = Some("take Stripe\nplease".to_owned());
    assert_eq!(heard.input, Input::Press { message: "5.5".to_owned(), button: "k1.w".to_owned(), words });
    assert_eq!((heard.update.as_str(), heard.reply_to.as_deref()), ("vV1.h.1", Some("5.5")));
    assert_eq!((heard.thread.channel.as_str(), heard.thread.thread.as_deref()), ("C1", Some("4.4")));
    let back = ReturnAddress::from_json(heard.return_address.as_deref().unwrap()).unwrap();
    assert_eq!((back.user.as_str(), back.response_url.as_deref()), ("U1", Some("https://e.com/r")));
    for nothing in [json!(null), json!(" \n")] {
        let Heard::Refuse(refusal) = submitted(nothing) else { panic!("nothing was taken for an answer") };
        assert_eq!(refusal["response_action"], "errors");
    }
}
