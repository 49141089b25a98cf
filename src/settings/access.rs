//! Who may do what: people, groups and channels by platform and stable id, in four roles. Whoever is not listed may do
//! nothing.

use std::{collections::BTreeMap, fmt, ops::RangeInclusive, str::FromStr};

use config::{Value as Given, ValueKind};
use kanban_platform::{Author, Capability, Thread};
use serde_json::Value;

use super::{
    choice::choice,
    section::section,
    value::{Form, Setting, text_of, unexpected},
};
use crate::board::BoardSlug;

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
        /// Roles that hold in some places alone, and those of groups and channels, each a table `[[access.grants]]`: `who` (`discord:123`, `discord:role/99`, `slack:group/S1`, `discord:channel/55`, or `discord:*` as a guest), `role`, and any of `platform`, `space`, `channel`, `board` and `tenant`, all of which must fit.
        grants: Vec<Grant> = Vec::new(),
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
    grants: Vec<Grant>,
}

impl Access {
    pub(super) fn new(settings: AccessSettings, roles: AccessRoles) -> Self {
        let named = |people: Vec<Person>, role| people.into_iter().map(move |person| (Visitor::One(person), role));
        let grants = named(settings.owners, Role::Owner)
            .chain(named(roles.operator, Role::Operator))
            .chain(named(roles.member, Role::Member))
            .chain(roles.guest.into_iter().map(|visitor| (visitor, Role::Guest)))
            .map(|(who, role)| Grant { who, role, scope: Scope::default() })
            .chain(settings.grants)
            .collect();
        Self { grants }
    }

    /// What a person holds in a place by the settings and by these further grants. Nothing means that the person may
    /// only pair.
    pub fn standing(&self, author: &Author, place: Option<&Thread>, granted: &[Grant]) -> Standing {
        let all = || self.grants.iter().chain(granted);
        let mut held: Vec<Held> = all()
            .filter(|grant| grant.who.is(author, place) && grant.scope.holds_in(place))
            .map(|grant| Held {
                role: grant.role,
                board: grant.scope.board.clone(),
                tenant: grant.scope.tenant.clone(),
                is_placed: grant.is_placed(),
            })
            .collect();
        // Who sits at the console has the machine already, so only a role of their own takes that of an owner away.
        if author.platform == CONSOLE && !all().any(|grant| grant.who.is(author, place)) {
            held.push(Held::without_bound(Role::Owner));
        }
        Standing { held }
    }

    /// The grants of the settings, for whoever lists all of them.
    pub fn grants(&self) -> &[Grant] {
        &self.grants
    }

    /// Tells whether anybody is an owner without a bound, beside those at the console.
    pub fn names_an_owner(&self) -> bool {
        self.grants
            .iter()
            .any(|grant| grant.role == Role::Owner && grant.scope == Scope::default() && !grant.is_placed())
    }

    /// Whom the settings name, as they are written there.
    pub fn named(&self) -> impl Iterator<Item = String> {
        self.grants.iter().map(|grant| grant.who.to_string())
    }

    /// Tells whether anybody on a kind of platform has a role.
    pub fn names_anybody_on(&self, kind: &str) -> bool {
        self.grants.iter().any(|grant| match &grant.who {
            Visitor::One(person) => person.platform == kind,
            Visitor::Everybody { platform } => platform == kind,
        })
    }
}

/// What somebody holds in a place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    held: Vec<Held>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    role: Role,
    board: Option<BoardSlug>,
    tenant: Option<String>,
    /// It holds in some places alone, this one among them.
    is_placed: bool,
}

impl Held {
    fn without_bound(role: Role) -> Self {
        Self { role, board: None, tenant: None, is_placed: false }
    }

    /// Neither a board nor a tenant bounds it.
    fn is_for_all_tasks(&self) -> bool {
        self.board.is_none() && self.tenant.is_none()
    }
}

impl Standing {
    /// A role without a bound.
    pub fn of(role: Role) -> Self {
        Self { held: vec![Held::without_bound(role)] }
    }

    /// Whoever holds nothing is a stranger.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// The highest role on whichever board.
    pub fn highest(&self) -> Option<Role> {
        self.held.iter().map(|held| held.role).max()
    }

    /// The role that holds for the whole installation.
    pub fn everywhere(&self) -> Option<Role> {
        let held = self.held.iter().filter(|held| held.is_for_all_tasks() && !held.is_placed);
        held.map(|held| held.role).max()
    }

    /// The role that holds for all that is done in the place, whether or not it holds elsewhere too.
    pub fn in_place(&self) -> Option<Role> {
        self.held.iter().filter(|held| held.is_for_all_tasks()).map(|held| held.role).max()
    }

    /// What is held on a board. A private one is there for owners of everything, and for whom a grant names it.
    pub fn on(&self, board: &BoardSlug, is_private: bool) -> Rights {
        let mut rights = Rights::default();
        for held in &self.held {
            let names_it = held.board.as_ref() == Some(board);
            let owns_all = held.role == Role::Owner && held.is_for_all_tasks() && !held.is_placed;
            let opens = names_it || (held.board.is_none() && (!is_private || owns_all));
            if !opens {
                continue;
            }
            let role = match &held.tenant {
                None => &mut rights.whole,
                Some(tenant) => rights.tenants.entry(tenant.clone()).or_default(),
            };
            *role = (*role).max(Some(held.role));
        }
        rights
    }
}

/// What somebody holds on one board.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    whole: Option<Role>,
    tenants: BTreeMap<String, Option<Role>>,
}

/// How much of a board a right reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extent {
    Whole,
    /// The tasks of these tenants alone.
    Tenants(Vec<String>),
}

impl Rights {
    /// Whoever holds nothing does not see the board.
    pub fn is_empty(&self) -> bool {
        self.highest().is_none()
    }

    pub fn highest(&self) -> Option<Role> {
        self.tenants.values().copied().flatten().chain(self.whole).max()
    }

    /// The role by which somebody may do a thing, and on what; none where no role is enough.
    pub fn to(&self, capability: Capability) -> Option<(Role, Extent)> {
        if let Some(role) = self.whole.filter(|role| role.may(capability)) {
            return Some((role, Extent::Whole));
        }
        let fit = self.tenants.iter().filter_map(|(tenant, role)| {
            let role = role.filter(|role| role.may(capability))?;
            Some((tenant.clone(), role))
        });
        let (tenants, roles): (Vec<_>, Vec<_>) = fit.unzip();
        // The lowest of them is true for each of the tenants.
        roles.into_iter().min().map(|role| (role, Extent::Tenants(tenants)))
    }
}

/// A role for somebody, everywhere or in some places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub who: Visitor,
    pub role: Role,
    pub scope: Scope,
}

impl Grant {
    /// A grant in words, if it may be given at all.
    pub fn new(who: &str, role: Role, scope: Scope) -> Result<Self, String> {
        let who: Visitor = who.parse()?;
        if matches!(who, Visitor::Everybody { .. }) && role != Role::Guest {
            return Err(format!("everybody can only be `guest`; name people, as in `{}`", who.example()));
        }
        Ok(Self { who, role, scope })
    }

    /// Whether it holds in some places alone: whoever has such a role decides over nothing outside of them.
    fn is_placed(&self) -> bool {
        let Scope { platform, space, channel, .. } = &self.scope;
        platform.is_some() || space.is_some() || channel.is_some() || self.who.is_channel()
    }
}

impl Setting for Grant {
    const FORM: Form = Form::Words;

    fn expected() -> String {
        "a table with `who`, `role` and where it holds, as in `{ who = \"discord:role/99\", role = \"member\", board = \"shop\" }`"
            .to_owned()
    }

    fn read(value: &ValueKind) -> Result<Self, String> {
        let ValueKind::Table(table) = value else { return Err(unexpected::<Self>(value)) };
        let text = |key: &str| table.get(key).map(|value: &Given| text_of::<Self>(&value.kind)).transpose();
        let mut scope = Scope::default();
        let mut keys: Vec<&String> = table.keys().collect();
        keys.sort();
        for key in keys.into_iter().filter(|key| !matches!(key.as_str(), "who" | "role")) {
            scope.set(key, text(key)?.unwrap_or_default())?;
        }
        let (Some(who), Some(role)) = (text("who")?, text("role")?) else {
            return Err(format!("got a grant without `who` or `role`, expected {}", Self::expected()));
        };
        Self::new(who, role.parse()?, scope)
    }

    fn shown(&self) -> Value {
        self.to_string().into()
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.who, self.role)?;
        self.scope.parts().try_for_each(|(key, value)| write!(f, " {key}={value}"))
    }
}

/// Where a grant holds: all that is given must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The name of an account: `slack`, or `slack.acme`.
    pub platform: Option<String>,
    pub space: Option<String>,
    pub channel: Option<String>,
    pub board: Option<BoardSlug>,
    pub tenant: Option<String>,
}

impl Scope {
    pub const KEYS: [&str; 5] = ["platform", "space", "channel", "board", "tenant"];

    /// What is given, by key.
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let values = [
            self.platform.as_deref(),
            self.space.as_deref(),
            self.channel.as_deref(),
            self.board.as_ref().map(BoardSlug::as_str),
            self.tenant.as_deref(),
        ];
        Self::KEYS.into_iter().zip(values).filter_map(|(key, value)| Some((key, value?)))
    }

    /// Bounded by the parts of another one too.
    #[must_use]
    pub fn within(self, other: &Self) -> Self {
        Self {
            platform: other.platform.clone().or(self.platform),
            space: other.space.clone().or(self.space),
            channel: other.channel.clone().or(self.channel),
            board: other.board.clone().or(self.board),
            tenant: other.tenant.clone().or(self.tenant),
        }
    }

    /// Bounds it by one more part.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        if value.trim().is_empty() {
            return Err(format!("got an empty `{key}`, expected its id or name"));
        }
        let text = Some(value.trim().to_owned());
        match key {
            "platform" => self.platform = text,
            "space" => self.space = text,
            "channel" => self.channel = text,
            "board" => self.board = Some(value.trim().parse()?),
            "tenant" => self.tenant = text,
            _ => return Err(format!("got `{key}`, expected one of {}", Self::KEYS.join(", "))),
        }
        Ok(())
    }

    /// Whether the parts that bound the place fit. Where no place is known, none of them does.
    fn holds_in(&self, place: Option<&Thread>) -> bool {
        let fits = |bound: &Option<String>, here: fn(&Thread) -> &str| {
            bound.as_deref().is_none_or(|bound| place.is_some_and(|place| here(place) == bound))
        };
        fits(&self.platform, |place| &place.platform)
            && fits(&self.space, |place| &place.space)
            && fits(&self.channel, |place| &place.channel)
    }
}

impl FromStr for Scope {
    type Err = String;

    /// Reads `board=shop,tenant=acme`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut scope = Self::default();
        for part in text.split(',') {
            let (key, value) = part.split_once('=').ok_or_else(|| {
                format!("got `{part}`, expected `KEY=VALUE`, as in `board=shop`; keys are {}", Self::KEYS.join(", "))
            })?;
            scope.set(key.trim(), value)?;
        }
        Ok(scope)
    }
}

const CONSOLE: &str = "console";

/// What an id on this platform looks like, where the one of `platform:id` cannot be somebody's there. Of platforms that are
/// not known here, every id may be one.
pub fn misformed(who: &str) -> Option<&'static str> {
    let (platform, id) = who.split_once(':')?;
    if id == "*" || ["role/", "group/", "channel/"].iter().any(|place| id.starts_with(place)) {
        return None;
    }
    let number =
        |digits: RangeInclusive<usize>| digits.contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit());
    let named = |id: &str, first: [char; 2]| {
        id.strip_prefix(first).is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        })
    };
    let (is_good, expected) = match platform {
        "discord" => (number(17..=20), "a user id of 17 to 20 digits, as in `discord:123456789012345678`"),
        "telegram" => (number(1..=19), "a user id of digits alone, as in `telegram:123456789`"),
        "slack" => {
            let parts = id.split_once('/');
            let is_good = parts.is_some_and(|(team, user)| named(team, ['T', 'E']) && named(user, ['U', 'W']));
            (is_good, "the ids of the workspace and of the user, as in `slack:T0123/U0123`")
        }
        _ => return None,
    };
    (!is_good).then_some(expected)
}

/// One person: a platform and the person's stable id there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
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

/// One person, a group, a channel, or everybody on a platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visitor {
    /// By the platform's stable id; one that begins with `role/`, `group/` or `channel/` stands for all who are in it.
    One(Person),
    Everybody {
        platform: String,
    },
}

impl Visitor {
    fn is(&self, author: &Author, place: Option<&Thread>) -> bool {
        match self {
            Self::Everybody { platform } => *platform == author.platform,
            Self::One(person) if person.platform != author.platform => false,
            Self::One(Person { id, .. }) => match id.split_once('/') {
                Some(("role" | "group", _)) => author.groups.contains(id),
                Some(("channel", channel)) => place.is_some_and(|place| place.channel == channel),
                Some(_) | None => *id == author.id,
            },
        }
    }

    fn is_channel(&self) -> bool {
        match self {
            Self::One(Person { id, .. }) => id.starts_with("channel/"),
            Self::Everybody { .. } => false,
        }
    }

    fn example(&self) -> String {
        match self {
            Self::One(person) => person.to_string(),
            Self::Everybody { platform } => format!("{platform}:you"),
        }
    }
}

impl FromStr for Visitor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_suffix(":*") {
            // The platform's name is held to the same form as in an entry with an id.
            Some(platform) => {
                let Person { platform, .. } = format!("{platform}:all").parse()?;
                Ok(Self::Everybody { platform })
            }
            None => text.parse().map(Self::One),
        }
    }
}

impl fmt::Display for Visitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(person) => person.fmt(f),
            Self::Everybody { platform } => write!(f, "{platform}:*"),
        }
    }
}

impl Setting for Visitor {
    const FORM: Form = Form::Text;

    fn expected() -> String {
        "`\"platform:id\"` or `\"platform:*\"`".to_owned()
    }

    fn read(value: &ValueKind) -> Result<Self, String> {
        text_of::<Self>(value)?.parse()
    }

    fn shown(&self) -> Value {
        self.to_string().into()
    }
}
