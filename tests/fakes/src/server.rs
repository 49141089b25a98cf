//! What a test can do with any of the servers and see on it, as a person would.

use async_trait::async_trait;
use kanban_platform::Thread;

use crate::wire::Wire;

/// A chat platform behind a loopback socket. Places are threads of the contract; people are named by the test, and each
/// has the same id throughout.
#[async_trait]
pub trait Server: Send + Sync {
    /// The kind of platform: `discord`.
    fn kind(&self) -> &'static str;

    /// The table of settings by which the gateway reaches it: `[platforms.discord]` and what is below.
    fn settings(&self) -> String;

    /// The person as settings name one: `discord:123`.
    fn person(&self, name: &str) -> String;

    /// A channel where the bot is, made at the first call with this name.
    fn channel(&self, name: &str) -> Thread;

    /// A thread of a channel, made at the first call with this name, where the platform has such a thing.
    fn thread(&self, channel: &str, name: &str) -> Thread;

    /// Waits until the gateway is connected and can be spoken to.
    async fn connected(&self);

    /// A person types a message; answers its id.
    async fn says(&self, name: &str, place: &Thread, text: &str) -> String;

    /// A person types a message that mentions the bot first.
    async fn mentions(&self, name: &str, place: &Thread, text: &str) -> String;

    /// A person replies to a message.
    async fn replies(&self, name: &str, place: &Thread, message: &str, text: &str) -> String;

    /// A person sends files in one message, which mentions the bot if it has words; answers its id.
    async fn sends(&self, name: &str, place: &Thread, words: &str, files: &[(&str, &[u8])]) -> String;

    /// A person edits a message of theirs.
    async fn edits(&self, name: &str, place: &Thread, message: &str, text: &str);

    /// A person uses the native command: `["create"]` with its fields by name. A platform without forms gets it typed.
    async fn commands(&self, name: &str, place: &Thread, verb: &[&str], fields: &[(&str, &str)]);

    /// A person presses a button of a message.
    async fn presses(&self, name: &str, place: &Thread, message: &str, label: &str);

    /// A person presses a button that asks for words, and gives them: in the form that opens, or where the platform has
    /// none, as a reply to the message that asks.
    async fn fills(&self, name: &str, place: &Thread, message: &str, label: &str, words: &str);

    /// Takes a person into a group of the platform and answers it as access lists name it, as in `discord:role/7`. None
    /// where the platform has no groups.
    fn joins(&self, name: &str, group: &str) -> Option<String>;

    /// The threads that the bot has opened in a channel, oldest first.
    fn opened(&self, channel: &Thread) -> Vec<Thread>;

    /// The signs that the bot has set below a message.
    fn reactions(&self, place: &Thread, message: &str) -> Vec<String>;

    /// What the platform proposes to a person who fills in a field: value and label. None where it has no such thing.
    async fn suggestions(
        &self,
        name: &str,
        place: &Thread,
        verb: &[&str],
        field: &str,
        typed: &str,
    ) -> Option<Vec<(String, String)>>;

    /// The messages of a place as they are now, oldest first, those among them that only one person sees.
    fn seen(&self, place: &Thread) -> Vec<Seen>;

    /// The way of calls into the server: its faults, and everything that came in.
    fn wire(&self) -> &Wire;
}

/// A message as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub id: String,
    /// Whether the bot wrote it.
    pub is_ours: bool,
    /// The text as drawn, without markup, by a reader that knows nothing of the adapter. Texts of cards are among it.
    pub text: String,
    pub buttons: Vec<String>,
    /// The texts that it had before, oldest first.
    pub earlier: Vec<String>,
    /// The name of the only person who sees it.
    pub private_to: Option<String>,
    /// The message that it replies to.
    pub reply_to: Option<String>,
    /// Names and contents of attached files, the contents as text.
    pub files: Vec<(String, String)>,
    /// The contents of the same files as they are.
    pub contents: Vec<Vec<u8>>,
    /// Everybody whom the platform would notify because of what the text says: people, roles, `everyone`.
    pub pings: Vec<String>,
}
