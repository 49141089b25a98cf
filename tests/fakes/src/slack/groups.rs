//! User groups, and who is in them.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Value, json};

use crate::slack::{
    call::{Answer, Arguments},
    clock,
    event::wrap,
    state::BOT_USER,
    workspace::Workspace,
};

#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Ids of its members.
    pub(crate) users: BTreeSet<String>,
    pub(crate) is_disabled: bool,
}

impl Workspace {
    pub(crate) fn list_groups(&self, arguments: &Arguments) -> Answer {
        let state = self.state();
        let groups: Vec<Value> = state
            .groups
            .iter()
            .filter(|group| !group.is_disabled || arguments.is_true("include_disabled"))
            .map(|group| group.show(&state.team, arguments.is_true("include_users")))
            .collect();
        Ok(json!({ "usergroups": groups }))
    }

    /// Takes a person into a group, which is made at the first mention, or out of it. Answers its id.
    pub(crate) fn regroup(self: &Arc<Self>, name: &str, group: &str, is_in: bool) -> String {
        let (id, event) = {
            let mut state = self.state();
            let user = state.user(name);
            let place = state.group(group);
            let changed = &mut state.groups[place];
            let has_changed = if is_in { changed.users.insert(user.clone()) } else { changed.users.remove(&user) };
            let id = changed.id.clone();
            let (added, removed) = if is_in { (vec![user], Vec::new()) } else { (Vec::new(), vec![user]) };
            let event = json!({
                "type": "subteam_members_changed",
                "subteam_id": id,
                "team_id": state.team,
                "date_previous_update": clock::seconds(),
                "date_update": clock::seconds(),
                "added_users": added,
                "added_users_count": added.len().to_string(),
                "removed_users": removed,
                "removed_users_count": removed.len().to_string(),
            });
            let is_told = has_changed
                && self.options.events.contains("subteam_members_changed")
                && state.scopes.contains("usergroups:read");
            (id, is_told.then(|| wrap(&mut state, event)))
        };
        self.wire.changed();
        self.tell_all(event);
        id
    }

    /// Disables a group, whose members are no longer told.
    pub(crate) fn disable_group(self: &Arc<Self>, group: &str) {
        let event = {
            let mut state = self.state();
            let place = state.group(group);
            state.groups[place].is_disabled = true;
            let shown = state.groups[place].show(&state.team, true);
            let is_told = self.options.events.contains("subteam_updated") && state.scopes.contains("usergroups:read");
            is_told.then(|| wrap(&mut state, json!({ "type": "subteam_updated", "subteam": shown })))
        };
        self.tell_all(event);
    }
}

impl Group {
    fn show(&self, team: &str, with_users: bool) -> Value {
        let mut shown = json!({
            "id": self.id,
            "team_id": team,
            "is_usergroup": true,
            "is_subteam": true,
            "name": self.name,
            "handle": self.name,
            "description": "",
            "is_external": false,
            "date_create": 1_700_000_000,
            "date_update": clock::seconds(),
            "date_delete": if self.is_disabled { clock::seconds() } else { 0 },
            "auto_type": null,
            "created_by": BOT_USER,
            "updated_by": BOT_USER,
            "deleted_by": null,
            "prefs": { "channels": [], "groups": [] },
            "user_count": self.users.len(),
        });
        if with_users {
            shown["users"] = json!(self.users);
        }
        shown
    }
}
