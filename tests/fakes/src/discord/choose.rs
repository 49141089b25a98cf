//! How a person fills in a command: by what the bot has registered, nothing else can be chosen.

use serde_json::{Map, Value, json};

use super::{commands::Registered, mention::snowflake, state::State};

/// A command with the way to one of its verbs.
pub(super) struct Chosen<'a> {
    command: &'a Registered,
    /// Groups and subcommands, from outside to inside.
    path: Vec<&'a Value>,
}

impl<'a> Chosen<'a> {
    /// Finds a verb as people do: below `/kanban`, or else in any command or group where it stands last.
    pub(super) fn find(commands: &'a [Registered], verb: &[&str], is_direct: bool) -> Option<Self> {
        let mut leaves = Vec::new();
        for command in commands.iter().filter(|command| command.kind() == 1 && !(is_direct && command.guild.is_some()))
        {
            leaves_of(command, options(&command.body), &mut Vec::new(), &mut leaves);
        }
        let names = |chosen: &Self| -> Vec<String> {
            let steps = chosen.path.iter().map(|option| name(option).to_owned());
            std::iter::once(chosen.command.name().to_owned()).chain(steps).collect()
        };
        let exact = leaves.iter().position(|leaf| {
            let names = names(leaf);
            names[1..] == *verb || names == *verb
        });
        let found = exact.or_else(|| leaves.iter().position(|leaf| names(leaf).ends_with(&owned(verb))));
        found.map(|at| leaves.swap_remove(at))
    }

    /// The data of an interaction with these fields filled in.
    pub(super) fn fill(&self, state: &State, fields: &[(&str, &str)]) -> Result<Value, String> {
        let registered = self.options();
        let mut resolved = Map::new();
        let mut values = Vec::new();
        for option in registered {
            let given: Vec<&str> =
                fields.iter().filter(|(field, _)| is_named(option, field)).map(|(_, it)| *it).collect();
            if given.is_empty() {
                if option["required"] == true {
                    return Err(format!("the option {} is required", name(option)));
                }
                continue;
            }
            let value = value_of(state, option, &given.join(" "), &mut resolved)?;
            values.push(json!({ "name": name(option), "type": option["type"], "value": value }));
        }
        let is_there = |field: &str| registered.iter().any(|option| is_named(option, field));
        if let Some((field, _)) = fields.iter().find(|(field, _)| !is_there(field)) {
            let known: Vec<&str> = registered.iter().map(name).collect();
            return Err(format!("there is no option {field}, only {known:?}"));
        }
        let mut data = self.data(values);
        if !resolved.is_empty() {
            data["resolved"] = resolved.into();
        }
        Ok(data)
    }

    /// The option with this name.
    pub(super) fn option(&self, field: &str) -> Option<&'a Value> {
        self.options().iter().find(|option| is_named(option, field))
    }

    /// The data of an interaction in which a field is being typed.
    pub(super) fn typing(&self, option: &Value, typed: &str) -> Value {
        let value = match option["type"].as_u64() {
            // A number that is not whole yet arrives as text.
            Some(4 | 10) => typed.parse::<i64>().map_or_else(|_| typed.into(), Value::from),
            Some(_) | None => typed.into(),
        };
        self.data(vec![json!({ "name": name(option), "type": option["type"], "value": value, "focused": true })])
    }

    fn options(&self) -> &'a [Value] {
        self.path.last().map_or_else(|| options(&self.command.body), |leaf| options(leaf))
    }

    /// Puts values into their subcommand, and that into its group.
    fn data(&self, values: Vec<Value>) -> Value {
        let mut inner = values;
        for step in self.path.iter().rev() {
            inner = vec![json!({ "name": name(step), "type": step["type"], "options": inner })];
        }
        let mut data = json!({
            "id": self.command.id.to_string(), "name": self.command.name(), "type": 1, "options": inner,
        });
        if let Some(guild) = self.command.guild {
            data["guild_id"] = guild.to_string().into();
        }
        data
    }
}

fn leaves_of<'a>(
    command: &'a Registered,
    options: &'a [Value],
    path: &mut Vec<&'a Value>,
    leaves: &mut Vec<Chosen<'a>>,
) {
    let verbs = || options.iter().filter(|option| matches!(option["type"].as_u64(), Some(1 | 2)));
    if verbs().next().is_none() {
        // A group without subcommands cannot be used.
        if path.last().is_none_or(|last| last["type"] != 2) {
            leaves.push(Chosen { command, path: path.clone() });
        }
        return;
    }
    for verb in verbs() {
        path.push(verb);
        leaves_of(command, self::options(verb), path, leaves);
        path.pop();
    }
}

/// A text as a value of the registered type. People pick choices by their names.
fn value_of(state: &State, option: &Value, text: &str, resolved: &mut Map<String, Value>) -> Result<Value, String> {
    let place = name(option);
    if let Some(choices) = option["choices"].as_array().filter(|choices| !choices.is_empty()) {
        let is_meant = |choice: &&Value| {
            let value = choice["value"].as_str().map_or_else(|| choice["value"].to_string(), str::to_owned);
            choice["name"] == text || value == text
        };
        let found = choices.iter().find(is_meant).map(|choice| choice["value"].clone());
        return found.ok_or_else(|| format!("{text} is not among the choices of {place}"));
    }
    let within = |number: f64| {
        option["min_value"].as_f64().is_none_or(|least| number >= least)
            && option["max_value"].as_f64().is_none_or(|most| number <= most)
    };
    let mut resolve = |kind: &str, id: u64, value: Value| {
        let all = resolved.entry(kind).or_insert_with(|| json!({}));
        all[id.to_string()] = value;
    };
    match option["type"].as_u64() {
        Some(3) => {
            let length = text.chars().count() as u64;
            let least = option["min_length"].as_u64().unwrap_or(0);
            let most = option["max_length"].as_u64().unwrap_or(6000);
            let fits = (least..=most).contains(&length);
            if fits { Ok(text.into()) } else { Err(format!("{place} takes {least} to {most} characters")) }
        }
        Some(4) => {
            let number = text.parse::<i64>().map_err(|_| format!("{place} takes a whole number"))?;
            #[expect(clippy::cast_precision_loss, reason = "bounds are within 2^53, as the documentation says")]
            let fits = within(number as f64);
            if fits { Ok(number.into()) } else { Err(format!("{place} does not take {number}")) }
        }
        Some(5) => text.parse::<bool>().map(Value::from).map_err(|_| format!("{place} takes true or false")),
        Some(6 | 9) => {
            let id = state.people.get(text).copied().or_else(|| snowflake(&text.into()));
            let id = id.ok_or_else(|| format!("{place} takes a person"))?;
            resolve("users", id, state.user(id));
            let mut member = state.member();
            member["permissions"] = super::channel::all_permissions().to_string().into();
            resolve("members", id, member);
            Ok(id.to_string().into())
        }
        Some(7) => {
            let id = state.channels_by_name.get(&(0, text.to_owned())).copied().or_else(|| snowflake(&text.into()));
            let id = id.ok_or_else(|| format!("{place} takes a channel"))?;
            if let Some(channel) = state.channels.get(&id) {
                let mut channel = state.channel_json(channel);
                channel["permissions"] = super::channel::all_permissions().to_string().into();
                resolve("channels", id, channel);
            }
            Ok(id.to_string().into())
        }
        Some(10) => {
            let number = text.parse::<f64>().map_err(|_| format!("{place} takes a number"))?;
            if within(number) { Ok(number.into()) } else { Err(format!("{place} does not take {number}")) }
        }
        Some(_) | None => Err(format!("people here cannot fill in {place}, of type {}", option["type"])),
    }
}

/// Options are named in lower case; a field may be written with `-` or `_`.
fn is_named(option: &Value, field: &str) -> bool {
    name(option) == field || name(option).replace('_', "-") == field.to_lowercase().replace('_', "-")
}

fn options(value: &Value) -> &[Value] {
    value["options"].as_array().map_or(&[], Vec::as_slice)
}

fn name(option: &Value) -> &str {
    option["name"].as_str().unwrap_or_default()
}

fn owned(verb: &[&str]) -> Vec<String> {
    verb.iter().map(|step| (*step).to_owned()).collect()
}
