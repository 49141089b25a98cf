//! A person who fills in a form.

use serde_json::{Value, json};

use super::{DiscordServer, form::custom_ids, interaction::Kind, state::State};

impl DiscordServer {
    /// The form that a person was last asked to fill in.
    pub fn form(&self, name: &str) -> Option<Value> {
        let mut state = self.core.state();
        let user = state.person(name);
        last_form(&state, user).map(|(_, form)| form)
    }

    /// A person fills in that form, by custom ids or labels, and sends it.
    ///
    /// # Panics
    /// Where no form is open, or it has no such field.
    pub async fn submits(&self, name: &str, fields: &[(&str, &str)]) {
        let (id, form) = self
            .core
            .wire
            .wait_until("a form", || {
                let mut state = self.core.state();
                let user = state.person(name);
                last_form(&state, user)
            })
            .await;
        self.submit(id, &form, fields);
    }

    /// Fills in the only field of the form that an interaction opens, and sends it.
    pub(super) async fn fill(&self, interaction: u64, words: &str) {
        let opened = || self.core.state().interactions.get(&interaction)?.modal.clone();
        let form = self.core.wire.wait_until("the form of a button that asks for words", opened).await;
        let fields = custom_ids(form["components"].as_array().map_or(&[], Vec::as_slice));
        assert_eq!(fields.len(), 1, "a form that asks for words has one field: {form}");
        self.submit(interaction, &form, &[(fields[0].as_str(), words)]);
    }

    fn submit(&self, id: u64, form: &Value, fields: &[(&str, &str)]) {
        let mut components = form["components"].clone();
        let known = custom_ids(components.as_array().map_or(&[], Vec::as_slice));
        fill_in(&mut components, fields, "");
        let is_there =
            |field: &str| known.iter().any(|id| id == field) || form.to_string().contains(&json!(field).to_string());
        for (field, _) in fields {
            assert!(is_there(field), "the form has no field {field}: {known:?}");
        }
        let mut state = self.core.state();
        let Some(interaction) = state.interactions.get_mut(&id) else { return };
        interaction.modal = None;
        let (user, channel, source) = (interaction.user, interaction.channel, interaction.source);
        let data = json!({ "custom_id": form["custom_id"], "components": components });
        state.interact(Kind::Modal, user, channel, data, source);
        drop(state);
        self.core.wire.changed();
    }
}

fn last_form(state: &State, user: u64) -> Option<(u64, Value)> {
    let of_user =
        state.interactions.values().filter(|interaction| interaction.user == user && interaction.modal.is_some());
    let last = of_user.max_by_key(|interaction| interaction.id)?;
    Some((last.id, last.modal.clone()?))
}

/// Gives the inputs of a form their values, and leaves out what is not sent back.
fn fill_in(component: &mut Value, fields: &[(&str, &str)], label: &str) {
    if let Some(list) = component.as_array_mut() {
        for item in list {
            fill_in(item, fields, label);
        }
        return;
    }
    let own = component["label"].as_str().unwrap_or(label).to_owned();
    for children in ["components", "component"] {
        if !component[children].is_null() {
            fill_in(&mut component[children], fields, &own);
        }
    }
    if let Some(id) = component["custom_id"].as_str().map(str::to_owned) {
        let given = fields.iter().find(|(field, _)| *field == id || *field == own).map(|(_, value)| *value);
        let value = given.map_or_else(|| component["value"].as_str().unwrap_or_default().to_owned(), str::to_owned);
        // The client sends nothing else.
        let length = u64::try_from(value.chars().count()).unwrap_or(u64::MAX);
        let least = component["min_length"].as_u64().unwrap_or(u64::from(component["required"] != false));
        let most = component["max_length"].as_u64().unwrap_or(4_000);
        assert!((least..=most).contains(&length), "the field {id} takes {least} to {most} characters, not {length}");
        *component = json!({ "type": component["type"], "id": 1, "custom_id": id, "value": value });
    } else if let Some(fields) = component.as_object_mut() {
        fields.retain(|name, _| matches!(name.as_str(), "type" | "components" | "component" | "id"));
    }
}
