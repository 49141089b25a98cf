//! Who may do what: people by platform and stable id, in four roles. Whoever is not listed may do nothing.

use std::{fmt, str::FromStr};

use config::ValueKind;
use kanban_platform::{Author, Capability};
use serde_json::Value;

use super::{
    choice::choice,
    section::section,
    value::{Form, Setting, text_of},
};

choice! {
    /// What a person is to the gateway, lowest first.
    pub enum Role {
        /// May look at the board.
        Guest = "guest",
        /// May create and change tasks too.
        Member = "member",
        /// May steer workers and the dispatcher too.
        Operator = "operator",
        /// May decide over the installation too.
        Owner = "owner",
    }
}

impl Role {
    /// Tells whether the role has a capability.
    pub fn may(self, capability: Capability) -> bool {
        self >= Self::least(capability)
    }

    /// The lowest role that has a capability.
    pub fn least(capability: Capability) -> Self {
        match capability {
            Capability::Read => Self::Guest,
            Capability::Write => Self::Member,
            Capability::Operate => Self::Operator,
            Capability::Own => Self::Owner,
        }
    }
}

section! {
    /// Who the owners are. People are written `platform:id`, with the platform's stable id and never a name.
    ///
    /// Console users are owners unless a list of this section names them; `console:*` as a guest names all.
    pub(super) struct AccessSettings {
        /// People who may do everything, `script` tasks among it.
        owners: Vec<Person> = Vec::new(),
    }
}

section! {
    /// The other roles. Somebody who is in several lists has the highest of them.
    pub(super) struct AccessRoles {
        /// People who may steer workers and the dispatcher too.
        operator: Vec<Person> = Vec::new(),
        /// People who may create and change tasks too.
        member: Vec<Person> = Vec::new(),
        /// People who may look at the board; `platform:*` is everybody there.
        guest: Vec<Visitor> = Vec::new(),
    }
}

/// The roles of people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    entries: Vec<(Visitor, Role)>,
}

impl Access {
    pub(super) fn new(settings: AccessSettings, roles: AccessRoles) -> Self {
        let named = |people: Vec<Person>, role| people.into_iter().map(move |person| (Visitor::One(person), role));
        let entries = named(settings.owners, Role::Owner)
            .chain(named(roles.operator, Role::Operator))
            .chain(named(roles.member, Role::Member))
            .chain(roles.guest.into_iter().map(|visitor| (visitor, Role::Guest)))
            .collect();
        Self { entries }
    }

    /// The highest role that the settings give to a person, or none: then the person may only pair.
    pub fn role_of(&self, author: &Author) -> Option<Role> {
        let given = self.entries.iter().filter(|(who, _)| who.is(author)).map(|(_, role)| *role).max();
        // Who sits at the console has the machine already, so only a role of their own takes that of an owner away.
        given.or((author.platform == CONSOLE).then_some(Role::Owner))
    }

    /// Tells whether anybody on a kind of platform has a role.
    pub fn names_anybody_on(&self, kind: &str) -> bool {
        self.entries.iter().any(|(who, _)| match who {
            Visitor::One(person) => person.platform == kind,
            Visitor::Everybody { platform } => platform == kind,
        })
    }
}

const CONSOLE: &str = "console";

/// One person: a platform and the person's stable id there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    platform: String,
    id: String,
}

impl FromStr for Person {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (platform, id) = text
            .split_once(':')
            .filter(|(platform, id)| {
                !platform.is_empty()
                    && platform.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
                    && !id.is_empty()
                    && id.trim() == *id
            })
            .ok_or_else(|| format!("got `{text}`, expected {}", Self::expected()))?;
        if id == "*" {
            return Err(format!(
                "got `{text}`, but everybody can only be `guest`; name people, as in `{platform}:you`"
            ));
        }
        Ok(Self { platform: platform.to_owned(), id: id.to_owned() })
    }
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.platform, self.id)
    }
}

impl Setting for Person {
    const FORM: Form = Form::Text;

    fn expected() -> String {
        "`\"platform:id\"`, as in `\"console:you\"`".to_owned()
    }

    fn read(value: &ValueKind) -> Result<Self, String> {
        text_of::<Self>(value)?.parse()
    }

    fn shown(&self) -> Value {
        self.to_string().into()
    }
}

/// One person, or everybody on a platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Visitor {
    One(Person),
    Everybody { platform: String },
}

impl Visitor {
    fn is(&self, author: &Author) -> bool {
        match self {
            Self::One(person) => person.platform == author.platform && person.id == author.id,
            Self::Everybody { platform } => *platform == author.platform,
        }
    }
}

impl Setting for Visitor {
    const FORM: Form = Form::Text;

    fn expected() -> String {
        "`\"platform:id\"` or `\"platform:*\"`".to_owned()
    }

    fn read(value: &ValueKind) -> Result<Self, String> {
        let text = text_of::<Self>(value)?;
        match text.strip_suffix(":*") {
            // The platform's name is held to the same form as in an entry with an id.
            Some(platform) => {
                let Person { platform, .. } = format!("{platform}:all").parse()?;
                Ok(Self::Everybody { platform })
            }
            None => text.parse().map(Self::One),
        }
    }

    fn shown(&self) -> Value {
        match self {
            Self::One(person) => person.shown(),
            Self::Everybody { platform } => format!("{platform}:*").into(),
        }
    }
}
