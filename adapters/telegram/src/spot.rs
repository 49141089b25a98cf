//! Where in a chat something is said.

/// The chat itself, or a part of it that counts as a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spot {
    Chat,
    /// A topic of a forum, by the message that opened it.
    Topic(i32),
    /// What replies to a message, and what replies to that.
    Chain(i32),
}

impl Spot {
    /// Reads what [`kanban_platform::Thread::thread`] holds. None for what is no such place.
    pub(crate) fn read(thread: Option<&str>) -> Option<Self> {
        match thread {
            None => Some(Self::Chat),
            Some(thread) => match thread.strip_prefix('r') {
                Some(message) => message.parse().ok().map(Self::Chain),
                None => thread.parse().ok().map(Self::Topic),
            },
        }
    }

    /// What [`Self::read`] reads.
    pub(crate) fn written(self) -> Option<String> {
        match self {
            Self::Chat => None,
            Self::Topic(topic) => Some(topic.to_string()),
            Self::Chain(message) => Some(format!("r{message}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Spot;

    #[test]
    fn every_place_is_read_as_it_is_written() {
        for spot in [Spot::Chat, Spot::Topic(17), Spot::Chain(123)] {
            assert_eq!(Spot::read(spot.written().as_deref()), Some(spot));
        }
        assert_eq!(Spot::Chain(123).written().as_deref(), Some("r123"));
        for odd in ["", "r", "rr1", "x", "1x", "99999999999"] {
            assert_eq!(Spot::read(Some(odd)), None, "{odd}");
        }
    }
}
