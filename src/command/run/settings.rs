//! `settings show`.

use serde_json::Value;

use crate::command::{
    desk::Desk,
    reply::Reply,
    verbs::{Settings, SettingsVerb},
};

pub(super) fn show(desk: &Desk, args: &Settings) -> Reply {
    let settings = desk.settings.get();
    let json = match &args.verb {
        Some(SettingsVerb::Show(args)) => args.json,
        None => false,
    };
    if json {
        let rows = settings.table().iter().map(|row| serde_json::to_value(row).unwrap_or(Value::Null)).collect();
        return Reply::json(&Value::Array(rows));
    }
    let mut text = format!("# {}\n", settings.file().display());
    for row in settings.table() {
        text.push_str(&format!("{row}\n"));
    }
    Reply::text(text.trim_end())
}
