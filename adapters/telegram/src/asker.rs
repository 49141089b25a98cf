//! Who asked for an answer, as [`kanban_platform::Request::return_address`] keeps it.

use crate::update::User;

/// The message that an answer replies to, and the person behind it where the message does not say so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asker {
    pub(crate) message: i32,
    /// Who pressed a button of the message, which is our own: the id and the name.
    pub(crate) presser: Option<(u64, String)>,
}

impl Asker {
    /// The return address of what somebody wrote.
    pub(crate) fn of_message(message: i64) -> String {
        message.to_string()
    }

    /// The return address of a press.
    pub(crate) fn of_press(message: i64, person: &User) -> String {
        format!("{message} {} {}", person.id, person.name())
    }

    /// None for what is no return address of this adapter.
    pub(crate) fn read(address: &str) -> Option<Self> {
        let mut words = address.splitn(3, ' ');
        let message = words.next()?.parse().ok()?;
        let presser = words.next().and_then(|id| id.parse().ok());
        let name = words.next().unwrap_or_default().to_owned();
        Some(Self { message, presser: presser.map(|id| (id, name)) })
    }
}

#[cfg(test)]
mod tests {
    use super::Asker;
    use crate::update::User;

    #[test]
    fn a_press_brings_its_person_along() {
        let user = serde_json::from_str::<User>(r#"{"id": 7, "first_name": "Ann", "last_name": "van Lee"}"#);
        let press = Asker::of_press(40, &user.expect("a user"));
        let presser = Some((7, "Ann van Lee".to_owned()));
        assert_eq!(Asker::read(&press), Some(Asker { message: 40, presser }));
        assert_eq!(Asker::read(&Asker::of_message(41)), Some(Asker { message: 41, presser: None }));
        assert_eq!(Asker::read("x"), None);
    }
}
