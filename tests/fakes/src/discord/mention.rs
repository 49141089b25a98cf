//! Whom a text would notify (Message resource, "Allowed Mentions Object").

use serde_json::Value;

/// Who is called by a text or by the message that it replies to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mentioned {
    pub(super) users: Vec<u64>,
    pub(super) roles: Vec<u64>,
    pub(super) everyone: bool,
    pub(super) here: bool,
}

/// What holds for a call that does not say whom it allows to be notified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsaid {
    /// A message of a bot notifies everybody whom its text names, and the author of the message that it replies to.
    Message,
    /// An answer to an interaction notifies people alone, no roles, not everyone.
    Interaction,
}

/// Finds the mentions in a text. Those in code and behind a backslash count as well: the documentation does not promise
/// that either of them keeps anybody from being notified.
pub(super) fn mentioned(text: &str) -> Mentioned {
    let mut found =
        Mentioned { everyone: text.contains("@everyone"), here: text.contains("@here"), ..Mentioned::default() };
    let mut rest = text;
    while let Some(at) = rest.find("<@") {
        rest = &rest[at + 2..];
        let (list, digits) = match rest.as_bytes().first() {
            Some(b'&') => (&mut found.roles, &rest[1..]),
            Some(b'!') => (&mut found.users, &rest[1..]),
            Some(_) | None => (&mut found.users, rest),
        };
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        if let Ok(id) = digits[..end].parse()
            && digits[end..].starts_with('>')
            && !list.contains(&id)
        {
            list.push(id);
        }
    }
    found
}

/// Leaves those who are notified, as a call's `allowed_mentions` say it. `replied` wrote the message replied to.
pub(super) fn allow(found: Mentioned, allowed: Option<&Value>, unsaid: Unsaid, replied: Option<u64>) -> Mentioned {
    let Some(allowed) = allowed.filter(|allowed| !allowed.is_null()) else {
        return match unsaid {
            Unsaid::Message => with_user(found, replied),
            Unsaid::Interaction => with_user(Mentioned { users: found.users, ..Mentioned::default() }, replied),
        };
    };
    let parses = |kind: &str| {
        allowed["parse"].as_array().is_some_and(|kinds| kinds.iter().any(|value| value.as_str() == Some(kind)))
    };
    let names = |list: &str, id: u64| {
        allowed[list].as_array().is_some_and(|ids| ids.iter().any(|value| snowflake(value) == Some(id)))
    };
    let kept = Mentioned {
        users: found.users.into_iter().filter(|id| parses("users") || names("users", *id)).collect(),
        roles: found.roles.into_iter().filter(|id| parses("roles") || names("roles", *id)).collect(),
        everyone: found.everyone && parses("everyone"),
        here: found.here && parses("everyone"),
    };
    with_user(kept, replied.filter(|_| allowed["replied_user"] == true))
}

/// An id as text or as a number.
pub(super) fn snowflake(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn with_user(mut mentioned: Mentioned, user: Option<u64>) -> Mentioned {
    if let Some(user) = user
        && !mentioned.users.contains(&user)
    {
        mentioned.users.push(user);
    }
    mentioned
}

#[cfg(test)]
mod tests {
    use super::{Mentioned, Unsaid, allow, mentioned};
    use serde_json::json;

    #[test]
    fn mentions_are_found_wherever_they_stand() {
        let found = mentioned("<@1> `<@!2>` \\<@&3> @here <@4 <@x> <#5> <@1>");
        assert_eq!(found, Mentioned { users: vec![1, 2], roles: vec![3], everyone: false, here: true });
    }

    #[test]
    fn what_is_not_said_is_allowed_but_less_so_for_interactions() {
        let found = || mentioned("<@1> <@&3> @everyone");
        assert_eq!(allow(found(), None, Unsaid::Message, Some(9)).users, [1, 9]);
        assert!(allow(found(), Some(&json!(null)), Unsaid::Message, None).everyone);
        let kept = allow(found(), None, Unsaid::Interaction, None);
        assert_eq!(kept, Mentioned { users: vec![1], ..Mentioned::default() });
    }

    #[test]
    fn only_what_is_said_is_allowed() {
        let found = || mentioned("<@1> <@2> <@&3> @everyone @here");
        let kept = |allowed| allow(found(), Some(&allowed), Unsaid::Message, Some(9));
        assert_eq!(kept(json!({ "parse": [] })), Mentioned::default());
        assert_eq!(kept(json!({})), Mentioned::default());
        assert_eq!(kept(json!({ "parse": ["users"] })).users, [1, 2]);
        assert_eq!(kept(json!({ "users": ["2"], "replied_user": true })).users, [2, 9]);
        assert_eq!(kept(json!({ "roles": [3] })).roles, [3]);
        assert!(kept(json!({ "parse": ["everyone"] })).here);
    }
}
