//! The methods that the server speaks, and what each of them does.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{account::Account, parameters::Parameters, refusal::Refusal};

macro_rules! methods {
    ($($name:ident = $spelled:literal),* $(,)?) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Method {
            $($name),*
        }

        impl Method {
            /// The method of a name, in capitals or not.
            pub(crate) fn named(name: &str) -> Option<Self> {
                $(if name.eq_ignore_ascii_case($spelled) {
                    return Some(Self::$name);
                })*
                None
            }

            /// The name as the documentation spells it.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $spelled),*
                }
            }
        }
    };
}

methods! {
    GetMe = "getMe",
    GetUpdates = "getUpdates",
    SetWebhook = "setWebhook",
    DeleteWebhook = "deleteWebhook",
    GetWebhookInfo = "getWebhookInfo",
    SendMessage = "sendMessage",
    SendDocument = "sendDocument",
    SendChatAction = "sendChatAction",
    EditMessageText = "editMessageText",
    EditMessageCaption = "editMessageCaption",
    EditMessageReplyMarkup = "editMessageReplyMarkup",
    DeleteMessage = "deleteMessage",
    SetMessageReaction = "setMessageReaction",
    AnswerCallbackQuery = "answerCallbackQuery",
    SetMyCommands = "setMyCommands",
    GetMyCommands = "getMyCommands",
    DeleteMyCommands = "deleteMyCommands",
    GetChat = "getChat",
    GetChatMember = "getChatMember",
    CreateForumTopic = "createForumTopic",
    CloseForumTopic = "closeForumTopic",
    ReopenForumTopic = "reopenForumTopic",
    GetFile = "getFile",
}

impl Method {
    /// Whether people see something by it.
    pub(crate) fn is_post(self) -> bool {
        matches!(
            self,
            Self::SendMessage
                | Self::SendDocument
                | Self::EditMessageText
                | Self::EditMessageCaption
                | Self::EditMessageReplyMarkup
                | Self::DeleteMessage
        )
    }

    /// The refusal of something that the platform never takes.
    pub(crate) fn refusal(self) -> Refusal {
        match self {
            Self::SendMessage => Refusal::bad("message is too long"),
            Self::SendDocument => Refusal::bad("message caption is too long"),
            Self::EditMessageText | Self::EditMessageCaption | Self::EditMessageReplyMarkup => {
                Refusal::bad("message can't be edited")
            }
            Self::DeleteMessage => Refusal::bad("message can't be deleted"),
            Self::AnswerCallbackQuery => {
                Refusal::bad("query is too old and response timeout expired or query ID is invalid")
            }
            Self::SetMessageReaction => Refusal::bad("REACTION_INVALID"),
            Self::SetMyCommands | Self::GetMyCommands | Self::DeleteMyCommands => Refusal::bad("BOT_COMMAND_INVALID"),
            Self::SetWebhook | Self::DeleteWebhook | Self::GetWebhookInfo => {
                Refusal::bad("bad webhook: Failed to resolve host: Name or service not known")
            }
            Self::GetMe | Self::GetUpdates => Refusal::unauthorized(),
            Self::SendChatAction
            | Self::GetChat
            | Self::GetChatMember
            | Self::CreateForumTopic
            | Self::CloseForumTopic
            | Self::ReopenForumTopic => Refusal::chat_not_found(),
            Self::GetFile => Refusal::bad("invalid file_id"),
        }
    }
}

impl Account {
    /// Does what a call asks for, and answers the result as JSON text.
    pub(crate) async fn perform(self: &Arc<Self>, method: Method, parameters: &Parameters) -> Result<String, Refusal> {
        match method {
            Method::GetUpdates => self.get_updates(parameters).await,
            _ => self.perform_at_once(method, parameters).map(|result| result.to_string()),
        }
    }

    /// Does what every method but `getUpdates` asks for.
    pub(crate) fn perform_at_once(&self, method: Method, parameters: &Parameters) -> Result<Value, Refusal> {
        let result = match method {
            Method::GetUpdates => Ok(json!([])),
            Method::GetMe => Ok(self.get_me()),
            Method::SetWebhook => self.set_webhook(parameters),
            Method::DeleteWebhook => Ok(self.delete_webhook(parameters)),
            Method::GetWebhookInfo => Ok(self.webhook_info()),
            Method::SendMessage => self.send_message(parameters),
            Method::SendDocument => self.send_document(parameters),
            Method::SendChatAction => self.send_chat_action(parameters),
            Method::EditMessageText => self.edit_message_text(parameters),
            Method::EditMessageCaption => self.edit_message_caption(parameters),
            Method::EditMessageReplyMarkup => self.edit_message_reply_markup(parameters),
            Method::DeleteMessage => self.delete_message(parameters),
            Method::SetMessageReaction => self.set_message_reaction(parameters),
            Method::AnswerCallbackQuery => self.answer_callback_query(parameters),
            Method::SetMyCommands => self.set_my_commands(parameters),
            Method::GetMyCommands => self.get_my_commands(parameters),
            Method::DeleteMyCommands => self.delete_my_commands(parameters),
            Method::GetChat => self.get_chat(parameters),
            Method::GetChatMember => self.get_chat_member(parameters),
            Method::CreateForumTopic => self.create_forum_topic(parameters),
            Method::CloseForumTopic => self.close_forum_topic(parameters, true),
            Method::ReopenForumTopic => self.close_forum_topic(parameters, false),
            Method::GetFile => self.get_file(parameters),
        };
        if let (Ok(result), Some(description)) = (&result, super::description::Description::published()) {
            let wrong = description.check_result(method.name(), result);
            wrong.into_iter().for_each(|wrong| self.wire.complain(wrong));
        }
        result
    }
}
