//! What a payload asks for, worked out without calling anybody.

use std::sync::Arc;

use kanban_platform::{Author, Button, Field, Input, Request, Spec, Thread};
use serde_json::Value;

use crate::{
    KIND,
    ask::{ASK, Ask},
    blocks::PRESS,
    fetch::incoming,
    form::{self, Form, Place},
    groups::{Change, Groups},
    manifest::COMMAND,
    markup::{mentions, plain, without_mention},
    names::Names,
    payload::{EventCallback, HomeOpened, Interaction, Message, Named, Payload, SlashCommand},
    return_address::ReturnAddress,
    web::Identity,
};

/// What a payload asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    /// It is for nobody here.
    Nothing,
    /// To be kept before it is acknowledged.
    Request(Box<Request>),
    /// A form to be opened at once: the trigger is good for 3 s.
    Open { trigger_id: String, form: Box<Form> },
    /// The same for a button that asks for words.
    Ask { trigger_id: String, ask: Box<Ask> },
    /// Proposals for a field, which are the acknowledgement.
    Suggest(Box<Field>),
    /// What was filled in cannot be used: the form stays open and says why.
    Refuse(Value),
    /// Somebody looks at their page.
    Home(Author),
    /// Somebody came into a user group, or left it.
    Groups(Change),
}

/// Reads payloads for one workspace.
pub(crate) struct Hearing {
    /// The name of the platform.
    name: String,
    us: Identity,
    names: Arc<Names>,
    groups: Arc<Groups>,
}

impl Hearing {
    pub(crate) fn new(name: String, us: Identity, names: Arc<Names>, groups: Arc<Groups>) -> Self {
        Self { name, us, names, groups }
    }

    pub(crate) fn platform(&self) -> &str {
        &self.name
    }

    /// What a payload asks for. `now` is the time in unix milliseconds.
    pub(crate) fn hear(&self, payload: Payload, spec: &Spec, now: i64) -> Heard {
        match payload {
            Payload::Event(event) => self.event(event, now),
            Payload::Command(command) => self.command(&command, spec, now),
            Payload::Interaction(interaction) => self.interaction(&interaction, spec, now).unwrap_or(Heard::Nothing),
        }
    }

    fn event(&self, EventCallback { team_id, event }: EventCallback, now: i64) -> Heard {
        match event["type"].as_str() {
            Some("message" | "app_mention") => serde_json::from_value(event)
                .ok()
                .and_then(|message| self.message(&team_id, message, now))
                .map_or(Heard::Nothing, |request| Heard::Request(Box::new(request))),
            Some("app_home_opened") => match serde_json::from_value::<HomeOpened>(event) {
                Ok(HomeOpened { user, tab }) if tab.as_deref().is_none_or(|tab| tab == "home") => {
                    Heard::Home(self.author(self.team(&team_id), &user, None))
                }
                Ok(_) | Err(_) => Heard::Nothing,
            },
            Some("subteam_members_changed" | "subteam_updated") => {
                Heard::Groups(serde_json::from_value(event).unwrap_or_default())
            }
            Some(_) | None => Heard::Nothing,
        }
    }

    /// A message of a person. One that mentions us comes twice, as `message` and as `app_mention`, with two event ids:
    /// both make the same request with the same update.
    fn message(&self, team_id: &str, message: Message, now: i64) -> Option<Request> {
        let is_new = matches!(message.subtype.as_deref(), None | Some("file_share" | "thread_broadcast"));
        // An edit that adds a mention comes as a new `app_mention`.
        let is_edit = message.edited.is_some() || message.hidden;
        let name = message.name().map(str::to_owned);
        let user = message.user.filter(|user| *user != self.us.user)?;
        if !is_new || is_edit || message.bot_id.is_some() || message.channel.is_empty() || message.ts.is_empty() {
            return None;
        }
        let text = message.text.unwrap_or_default();
        let is_direct = message.channel_type.as_deref() == Some("im") || message.channel.starts_with('D');
        let addressed = is_direct || mentions(&text, &self.us.user);
        let text = without_mention(&text, &self.us.user).unwrap_or(&text);
        // In a channel that is shared with another company, its people belong to their own team.
        let team = message.user_team.or(message.team).unwrap_or_else(|| self.team(team_id).to_owned());
        let thread = message.thread_ts.filter(|thread| *thread != message.ts);
        Some(Request {
            update: format!("m{}.{}", message.channel, message.ts),
            author: self.author(&team, &user, name.as_deref()),
            input: Input::Text(plain(text)),
            reply_to: thread.clone(),
            addressed,
            return_address: Some(ReturnAddress { user, response_url: None, at: now, may_replace: false }.to_json()),
            is_channel: thread.is_none(),
            thread: self.thread(team_id, message.channel, thread),
            files: incoming(&message.files),
            message: Some(message.ts),
        })
    }

    fn command(&self, command: &SlashCommand, spec: &Spec, now: i64) -> Heard {
        if command.trigger_id.is_empty() || command.user_id.is_empty() {
            // Slack looks now and then whether anybody listens: `ssl_check`.
            return Heard::Nothing;
        }
        let text = plain(&command.text);
        let answer_to = ReturnAddress {
            user: command.user_id.clone(),
            response_url: command.response_url.clone(),
            at: now,
            may_replace: true,
        };
        if opens_form(spec, &text) {
            let place = Place { channel: command.channel_id.clone(), thread: None, answer_to };
            let form = Form { place, title: String::new(), body: String::new(), message: None };
            return Heard::Open { trigger_id: command.trigger_id.clone(), form: Box::new(form) };
        }
        Heard::Request(Box::new(Request {
            // A redelivered envelope has another id, but carries the same trigger.
            update: format!("s{}", command.trigger_id),
            author: self.author(self.team(&command.team_id), &command.user_id, Some(&command.user_name)),
            thread: self.thread(&command.team_id, command.channel_id.clone(), None),
            input: Input::Text(format!("{COMMAND} {text}").trim_end().to_owned()),
            reply_to: None,
            addressed: true,
            return_address: Some(answer_to.to_json()),
            // A command carries no thread, and what answers it for everybody is a message in the channel.
            is_channel: true,
            message: None,
            files: Vec::new(),
        }))
    }

    fn interaction(&self, interaction: &Interaction, spec: &Spec, now: i64) -> Option<Heard> {
        match interaction.kind.as_str() {
            "block_actions" => self.press(interaction, now),
            "block_suggestion" => {
                let view = interaction.view.as_ref()?;
                // Without the place nobody can say what the person may see.
                let place: Place = serde_json::from_str(&view.private_metadata).ok()?;
                let field = form::field(
                    spec,
                    interaction.action_id.as_deref()?,
                    interaction.value.as_deref().unwrap_or_default(),
                    view.state.as_ref(),
                    self.person(interaction),
                    self.thread(team_of(interaction), place.channel, place.thread),
                )?;
                Some(Heard::Suggest(Box::new(field)))
            }
            "message_action" => self.shortcut(interaction, now),
            "view_submission" => self.submission(interaction, spec).or_else(|| self.words(interaction)),
            _ => None,
        }
    }

    fn press(&self, interaction: &Interaction, now: i64) -> Option<Heard> {
        let action = interaction.actions.iter().find(|action| action.action_id.starts_with(PRESS))?;
        let button = action.value.clone()?;
        let container = &interaction.container;
        let below = interaction.message.as_ref();
        let message = container.message_ts.clone().or_else(|| below.map(|message| message.ts.clone()))?;
        let thread = container.thread_ts.clone().or_else(|| below.and_then(|message| message.thread_ts.clone()));
        // The first message of a thread names itself as the thread, but stands in the channel.
        let thread = thread.filter(|thread| *thread != message);
        let channel = interaction.channel()?.to_owned();
        let once = interaction.trigger_id.as_deref().or(action.action_ts.as_deref())?;
        let answer_to = ReturnAddress {
            user: interaction.user.id.clone(),
            response_url: interaction.response_url.clone(),
            at: now,
            may_replace: false,
        };
        let label = action.text.as_ref().map_or("", |label| label.text.as_str());
        // A button without a key is known by its label, whose last letter says nothing.
        if Button::asks_words(&button)
            && button != label
            && let Some(trigger_id) = &interaction.trigger_id
        {
            let place = Place { channel, thread, answer_to };
            let ask = Ask { place, message, button, label: label.to_owned() };
            return Some(Heard::Ask { trigger_id: trigger_id.clone(), ask: Box::new(ask) });
        }
        Some(Heard::Request(Box::new(Request {
            update: format!("a{once}"),
            author: self.person(interaction),
            is_channel: thread.is_none(),
            thread: self.thread(team_of(interaction), channel, thread),
            reply_to: Some(message.clone()),
            input: Input::Press { message, button, words: None },
            addressed: true,
            return_address: Some(answer_to.to_json()),
            message: None,
            files: Vec::new(),
        })))
    }

    /// "Make a task" on a message: what comes of it is told in the thread of that message.
    fn shortcut(&self, interaction: &Interaction, now: i64) -> Option<Heard> {
        if interaction.callback_id.as_deref() != Some(form::CREATE) {
            return None;
        }
        let message = interaction.message.as_ref()?;
        let text = plain(message.text.as_deref().unwrap_or_default());
        let title = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        let title = crate::markup::shortened(title, 150);
        let answer_to = ReturnAddress {
            user: interaction.user.id.clone(),
            response_url: interaction.response_url.clone(),
            at: now,
            may_replace: false,
        };
        let thread = message.thread_ts.clone().unwrap_or_else(|| message.ts.clone());
        let place = Place { channel: interaction.channel()?.to_owned(), thread: Some(thread), answer_to };
        Some(Heard::Open {
            trigger_id: interaction.trigger_id.clone()?,
            form: Box::new(Form { place, title, body: text, message: Some(message.ts.clone()) }),
        })
    }

    fn submission(&self, interaction: &Interaction, spec: &Spec) -> Option<Heard> {
        let view = interaction.view.as_ref().filter(|view| view.callback_id.as_deref() == Some(form::CREATE))?;
        let place: Place = serde_json::from_str(&view.private_metadata).ok()?;
        let values = view.state.as_ref().map(|state| form::values(spec, state)).unwrap_or_default();
        let words = match spec.words(form::VERB, &values) {
            Ok(words) => words,
            Err(why) => return Some(Heard::Refuse(form::refusal(&why))),
        };
        Some(Heard::Request(Box::new(Request {
            update: format!("v{}.{}", view.id, view.hash.as_deref().unwrap_or_default()),
            author: self.person(interaction),
            is_channel: place.thread.is_none(),
            thread: self.thread(team_of(interaction), place.channel, place.thread),
            input: Input::Words(words),
            reply_to: None,
            addressed: true,
            return_address: Some(place.answer_to.to_json()),
            message: None,
            files: Vec::new(),
        })))
    }

    /// The words for a button that asked for them: the press itself, told now. What comes of it is for that person, at
    /// the place of the message.
    fn words(&self, interaction: &Interaction) -> Option<Heard> {
        let view = interaction.view.as_ref().filter(|view| view.callback_id.as_deref() == Some(ASK))?;
        let (ask, filled) = Ask::filled(view)?;
        let words = match filled {
            Ok(words) => words,
            Err(refusal) => return Some(Heard::Refuse(refusal)),
        };
        let Place { channel, thread, answer_to } = ask.place.clone();
        Some(Heard::Request(Box::new(Request {
            update: format!("v{}.{}", view.id, view.hash.as_deref().unwrap_or_default()),
            author: self.person(interaction),
            is_channel: thread.is_none(),
            thread: self.thread(team_of(interaction), channel, thread),
            reply_to: Some(ask.message.clone()),
            input: ask.press(words),
            addressed: true,
            return_address: Some(answer_to.to_json()),
            message: None,
            files: Vec::new(),
        })))
    }

    fn person(&self, interaction: &Interaction) -> Author {
        let Named { id, name, username, team_id } = &interaction.user;
        let team = team_id.as_deref().unwrap_or_else(|| self.team(team_of(interaction)));
        self.author(team, id, name.as_deref().or(username.as_deref()))
    }

    /// A person, with what is known of them. Groups are those of our workspace, and so are their members.
    fn author(&self, team: &str, user: &str, name: Option<&str>) -> Author {
        let name = name.filter(|name| !name.is_empty());
        if let Some(name) = name {
            self.names.learn(user, name);
        }
        let name = name.map(str::to_owned).or_else(|| self.names.of(user)).unwrap_or_else(|| user.to_owned());
        let groups = if team == self.us.team { self.groups.of(user) } else { Vec::new() };
        Author { platform: KIND.to_owned(), id: format!("{team}/{user}"), name, groups }
    }

    fn thread(&self, team: &str, channel: String, thread: Option<String>) -> Thread {
        Thread { platform: self.name.clone(), space: self.team(team).to_owned(), channel, thread }
    }

    /// The team that a payload names, else ours.
    fn team<'a>(&'a self, named: &'a str) -> &'a str {
        if named.is_empty() { &self.us.team } else { named }
    }
}

/// Whether the words are those of creating a task, with nothing to create.
fn opens_form(spec: &Spec, text: &str) -> bool {
    let mut words = text.split_whitespace();
    let verb = words.next().and_then(|word| spec.at(&[word.to_lowercase().as_str()]));
    words.next().is_none() && verb.is_some() && verb == spec.at(form::VERB)
}

fn team_of(interaction: &Interaction) -> &str {
    interaction.team.as_ref().map_or("", |team| &team.id)
}

#[cfg(test)]
mod tests;
