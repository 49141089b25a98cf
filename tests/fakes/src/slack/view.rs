//! `views.*`: modals, and the home tab.

use std::{collections::HashMap, sync::Arc};

use serde_json::{Value, json};

use crate::slack::{
    call::{Answer, Arguments, Refusal},
    content::with_ids,
    limits::check_view,
    reader::list,
    schema::VIEWS_OPEN,
    state::{APP, BOT_ID, State},
    workspace::Workspace,
};

#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) id: String,
    hash: String,
    /// What the app gave, blocks with ids.
    pub(crate) given: Value,
    root: String,
    previous: Option<String>,
    /// What people filled in, by block and action.
    pub(crate) values: Value,
}

/// Modals in stacks of at most three, and home tabs.
#[derive(Debug, Default)]
pub(crate) struct Views {
    stacks: HashMap<String, Vec<View>>,
    homes: HashMap<String, View>,
    made: u64,
}

impl View {
    /// The view as interactions show it.
    pub(crate) fn show(&self, state: &State) -> Value {
        let given = &self.given;
        let mut shown = json!({
            "id": self.id,
            "team_id": state.team,
            "type": given["type"],
            "blocks": given["blocks"],
            "private_metadata": given["private_metadata"].as_str().unwrap_or_default(),
            "callback_id": given["callback_id"].as_str().unwrap_or_default(),
            "external_id": given["external_id"].as_str().unwrap_or_default(),
            "state": { "values": self.values },
            "hash": self.hash,
            "clear_on_close": given["clear_on_close"] == true,
            "notify_on_close": given["notify_on_close"] == true,
            "root_view_id": self.root,
            "previous_view_id": self.previous,
            "app_id": APP,
            "bot_id": BOT_ID,
            "app_installed_team_id": state.team,
        });
        if given["type"] == "modal" {
            for key in ["title", "submit", "close"] {
                shown[key] = given[key].clone();
            }
        }
        shown
    }

    pub(crate) fn blocks(&self) -> &[Value] {
        list(&self.given["blocks"])
    }
}

impl Views {
    /// The modal that a person sees.
    pub(crate) fn open(&self, user: &str) -> Option<&View> {
        self.stacks.get(user).and_then(|stack| stack.last())
    }

    pub(crate) fn open_mut(&mut self, user: &str) -> Option<&mut View> {
        self.stacks.get_mut(user).and_then(|stack| stack.last_mut())
    }

    pub(crate) fn home(&self, user: &str) -> Option<&View> {
        self.homes.get(user)
    }

    /// Closes the modal that a person sees, or all that lie under it too.
    pub(crate) fn close(&mut self, user: &str, all: bool) -> Option<View> {
        let stack = self.stacks.get_mut(user)?;
        let closed = stack.pop();
        if all {
            stack.clear();
        }
        closed
    }

    /// Puts a modal on a person's screen, over the one that is there.
    pub(crate) fn push(&mut self, user: &str, given: Value) -> Result<View, Refusal> {
        let mut view = self.make(given)?;
        let stack = self.stacks.entry(user.to_owned()).or_default();
        if stack.len() >= 3 {
            return Err(Refusal::new("push_limit_reached"));
        }
        view.previous = stack.last().map(|view| view.id.clone());
        view.root = stack.first().map_or_else(|| view.id.clone(), |view| view.id.clone());
        stack.push(view.clone());
        Ok(view)
    }

    /// Gives a view another content. Fields that are still there keep what was filled in.
    fn replace(&mut self, id: &str, hash: Option<&str>, given: Value) -> Result<View, Refusal> {
        self.made += 1;
        let new_hash = format!("{}.{}", self.made, id);
        let views = self.stacks.values_mut().flatten().chain(self.homes.values_mut());
        let view = views.into_iter().find(|view| view.id == id).ok_or(Refusal::new("not_found"))?;
        if hash.is_some_and(|hash| hash != view.hash) {
            return Err(Refusal::new("hash_conflict"));
        }
        view.given = given;
        view.hash = new_hash;
        Ok(view.clone())
    }

    fn make(&mut self, given: Value) -> Result<View, Refusal> {
        let external = given["external_id"].as_str().unwrap_or_default();
        let is_taken = |view: &View| !external.is_empty() && view.given["external_id"] == external;
        if self.stacks.values().flatten().any(is_taken) {
            return Err(Refusal::new("duplicate_external_id"));
        }
        self.made += 1;
        let id = format!("V0FK{:07}", self.made);
        Ok(View { hash: format!("{}.{id}", self.made), root: id.clone(), id, given, previous: None, values: json!({}) })
    }

    fn id_of_external(&self, external: &str) -> Option<String> {
        let mut views = self.stacks.values().flatten();
        views.find(|view| view.given["external_id"] == external).map(|view| view.id.clone())
    }
}

impl Workspace {
    pub(crate) fn open_view(self: &Arc<Self>, arguments: &Arguments, is_push: bool) -> Answer {
        if let Err(wrong) = VIEWS_OPEN.check(&arguments.typed_body()) {
            self.wire.complain(format!("against the published types: {wrong}"));
            return Err(Refusal::because("invalid_arguments", &[wrong]));
        }
        let given = self.checked_view(arguments.fields.get("view"), "modal")?;
        let trigger = arguments.required("trigger_id")?;
        let mut state = self.state();
        let lives = self.options.trigger_lives;
        let found = state.triggers.get_mut(trigger).ok_or(Refusal::new("invalid_trigger_id"))?;
        let error = if found.is_used {
            Some("exchanged_trigger_id")
        } else if found.made.elapsed() > lives {
            Some("expired_trigger_id")
        } else {
            None
        };
        if let Some(error) = error {
            drop(state);
            self.wire.complain(format!("a trigger that opens no view: {error}"));
            return Err(Refusal::new(error));
        }
        found.is_used = true;
        let user = found.user.clone();
        if !is_push {
            state.views.close(&user, true);
        } else if state.views.open(&user).is_none() {
            return Err(Refusal::new("not_found"));
        }
        let view = state.views.push(&user, given)?.show(&state);
        drop(state);
        self.wire.changed();
        Ok(json!({ "view": view }))
    }

    pub(crate) fn update_view(self: &Arc<Self>, arguments: &Arguments) -> Answer {
        let given = self.checked_view(arguments.fields.get("view"), "modal")?;
        let mut state = self.state();
        let id = match (arguments.text("view_id"), arguments.text("external_id")) {
            (Some(id), _) => id.to_owned(),
            (None, Some(external)) => state.views.id_of_external(external).ok_or(Refusal::new("not_found"))?,
            (None, None) => return Err(Refusal::new("invalid_arguments")),
        };
        let view = state.views.replace(&id, arguments.text("hash"), given)?.show(&state);
        drop(state);
        self.wire.changed();
        Ok(json!({ "view": view }))
    }

    pub(crate) fn publish_view(self: &Arc<Self>, arguments: &Arguments) -> Answer {
        let given = self.checked_view(arguments.fields.get("view"), "home")?;
        let user = arguments.required("user_id")?;
        let mut state = self.state();
        if !state.users.contains_key(user) {
            return Err(Refusal::new("user_not_found"));
        }
        let known = state.views.home(user).map(|view| view.id.clone());
        let view = match known {
            Some(id) => state.views.replace(&id, arguments.text("hash"), given)?,
            None => {
                let view = state.views.make(given)?;
                state.views.homes.insert(user.to_owned(), view.clone());
                view
            }
        };
        let shown = view.show(&state);
        drop(state);
        self.wire.changed();
        Ok(json!({ "view": shown }))
    }

    /// A view that keeps the limits, its blocks with ids.
    pub(crate) fn checked_view(&self, view: Option<&Value>, kind: &str) -> Result<Value, Refusal> {
        let Some(view) = view.filter(|view| view.is_object()) else {
            return Err(Refusal::because("invalid_arguments", &["missing required field: view".to_owned()]));
        };
        let mut wrong = check_view(view);
        if view["type"] != kind {
            wrong.push(format!("must be a view of the type {kind} [json-pointer:/view/type]"));
        }
        if view.to_string().len() > 250_000 {
            return Err(Refusal::new("view_too_large"));
        }
        if !wrong.is_empty() {
            self.wire.complain(format!("an invalid view: {}", wrong.join("; ")));
            return Err(Refusal::because("invalid_arguments", &wrong));
        }
        let mut given = view.clone();
        given["blocks"] = Value::Array(with_ids(list(&view["blocks"]).to_vec()));
        for block in given["blocks"].as_array_mut().into_iter().flatten() {
            let has_field = block["element"].is_object();
            if has_field && block["element"]["action_id"].as_str().unwrap_or_default().is_empty() {
                block["element"]["action_id"] = json!("a000");
            }
        }
        Ok(given)
    }
}
