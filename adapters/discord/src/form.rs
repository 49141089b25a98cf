//! What a person filled into `/kanban`, as the words of a command.

use kanban_platform::{Arg, Input, Kind, Spec};
use serenity::model::application::{CommandDataOption, CommandDataOptionValue};

use crate::{
    drawing::cut,
    menu::{RUN, has_help, option_name},
};

/// A verb with its fields, as it comes in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) path: Vec<String>,
    pub(crate) values: Vec<(String, String)>,
    /// The field that is being typed.
    pub(crate) typed: Option<(String, String)>,
}

impl Form {
    pub(crate) fn of(options: &[CommandDataOption]) -> Self {
        let mut form = Self::default();
        form.read(options);
        form
    }

    fn read(&mut self, options: &[CommandDataOption]) {
        for option in options {
            let value = match &option.value {
                CommandDataOptionValue::SubCommand(inner) | CommandDataOptionValue::SubCommandGroup(inner) => {
                    self.path.push(option.name.clone());
                    self.read(inner);
                    continue;
                }
                CommandDataOptionValue::Autocomplete { value, .. } => {
                    self.typed = Some((option.name.clone(), value.clone()));
                    continue;
                }
                CommandDataOptionValue::Boolean(on) => on.to_string(),
                CommandDataOptionValue::Integer(number) => number.to_string(),
                CommandDataOptionValue::Number(number) => number.to_string(),
                CommandDataOptionValue::String(text) => text.clone(),
                // The menu has no other options.
                _ => continue,
            };
            self.values.push((option.name.clone(), value));
        }
    }

    /// The words of the command.
    pub(crate) fn input(&self, spec: &Spec) -> Result<Input, String> {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let text = |name: &str| self.values.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str());
        if path == [RUN] {
            return Ok(Input::Text(format!("/kanban {}", text("text").unwrap_or_default().trim_start())));
        }
        if path == ["help"] && !has_help(spec) {
            let help = format!("/kanban help {}", text("verb").unwrap_or_default());
            return Ok(Input::Text(help.trim_end().to_owned()));
        }
        let verb = spec.at(&path).ok_or_else(|| format!("there is no verb `{}`", path.join(" ")))?;
        let mut values = Vec::new();
        for (name, value) in &self.values {
            match argument(spec, verb, name) {
                Some(arg) if arg.list && is_listed(&arg.kind) => {
                    let words = value.split([' ', ',', '\n', '\t']).filter(|word| !word.is_empty());
                    values.extend(words.map(|word| (arg.name.clone(), word.to_owned())));
                }
                Some(arg) => values.push((arg.name.clone(), value.clone())),
                None => return Err(format!("`{}` has no argument `{name}`", path.join(" "))),
            }
        }
        Ok(Input::Words(spec.words(&path, &values)?))
    }

    /// The argument that is being typed, what was typed for it before in the same field, and what is typed of it now.
    pub(crate) fn typing<'a>(&'a self, spec: &'a Spec) -> Option<(&'a Arg, &'a str, &'a str)> {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let (name, typed) = self.typed.as_ref()?;
        let arg = argument(spec, spec.at(&path)?, name)?;
        let cut = if arg.list && is_listed(&arg.kind) { typed.rfind([' ', ',']).map_or(0, |at| at + 1) } else { 0 };
        // People look for a task by the words of its title too; only ids stand before a further one.
        let is_title = arg.kind == Kind::Task
            && typed[..cut].split([' ', ',']).any(|word| !word.is_empty() && !word.starts_with("t_"));
        let cut = if is_title { 0 } else { cut };
        Some((arg, &typed[..cut], &typed[cut..]))
    }

    /// The board that another field names.
    pub(crate) fn board(&self, spec: &Spec) -> Option<String> {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let verb = spec.at(&path)?;
        let names_board = |name: &str| argument(spec, verb, name).is_some_and(|arg| arg.kind == Kind::Board);
        self.values.iter().find(|(name, _)| names_board(name)).map(|(_, value)| value.clone())
    }
}

/// The task that "Make a task from this message" makes.
pub(crate) fn task_of_message(spec: &Spec, author: &str, content: &str, link: &str) -> Result<Input, String> {
    const TITLE: usize = 100;
    let first_line = content.lines().map(str::trim).find(|line| !line.is_empty());
    let title = first_line.map_or_else(|| format!("Message of {author}"), |line| cut(line, TITLE));
    let body = if content.trim().is_empty() { link.to_owned() } else { format!("{content}\n\n{link}") };
    let values = [("title".to_owned(), title), ("body".to_owned(), body)];
    Ok(Input::Words(spec.words(&["create"], &values)?))
}

/// An argument of a verb, or of all, by the name that the menu gives it.
fn argument<'a>(spec: &'a Spec, verb: &'a Spec, name: &str) -> Option<&'a Arg> {
    verb.args.iter().chain(&spec.args).find(|arg| option_name(&arg.name) == name)
}

/// Whether several values stand in one field, with blanks between them.
fn is_listed(kind: &Kind) -> bool {
    match kind {
        Kind::Task | Kind::Profile | Kind::Board | Kind::Tenant | Kind::Choice(_) | Kind::Integer => true,
        Kind::Flag | Kind::Workspace | Kind::Text | Kind::Prose => false,
    }
}
