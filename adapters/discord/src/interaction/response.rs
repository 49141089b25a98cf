//! The single steps of an answer, each one call and what it tells.

use std::time::Duration;

use kanban_platform::{Post, PostError};
use serde_json::{Value, json};
use serenity::{
    http::{LightMethod, Route},
    model::id::{ChannelId, InteractionId},
};
use tokio::time::{Instant, sleep};

use super::{Address, FIRST_RESPONSE, Interactions, Kind, Open, State};
use crate::{
    api::{Call, CallError, File},
    drawing::{EPHEMERAL, LOADING, carries, message},
    failure::{code, of_edit, of_look, of_send},
    mark::reference,
    outgoing::{Target, id},
};

/// How long one attempt at a first response may take.
const CALLBACK_DEADLINE: Duration = Duration::from_millis(1_200);

impl Interactions {
    /// Ends an interaction about which nothing is to be said.
    pub(super) async fn respond_with_nothing(&self, open: &Open) -> Result<State, PostError> {
        // A press may end in silence. A command may not: something must be there first to be taken away.
        let (body, then) = match open.kind {
            Kind::Press => (json!({ "type": 6 }), State::Emptied),
            Kind::PrivatePress => (open.kind.deferral(), State::Deferred { in_private: true }),
            Kind::Command { .. } => {
                (json!({ "type": 5, "data": { "flags": EPHEMERAL } }), State::Deferred { in_private: true })
            }
        };
        match self.respond(open, body, Vec::new()).await {
            Ok(_) => Ok(then),
            Err(CallError::Unsure(_)) => Ok(State::Unsure),
            Err(CallError::Refused(refusal)) if refusal.code == code::ALREADY_ACKNOWLEDGED => Ok(State::Unsure),
            Err(CallError::Refused(_)) => Ok(State::Expired),
            Err(error @ (CallError::NotSent(_) | CallError::Limited(_))) => Err(of_send(error)),
        }
    }

    /// Makes the post the first response. None when it must go another way.
    pub(super) async fn respond_with(
        &self,
        open: &Open,
        post: &Post,
        state: &mut State,
    ) -> Result<Option<String>, PostError> {
        let (mut data, files) = message(post);
        if post.private && open.kind != Kind::PrivatePress {
            let flags = data["flags"].as_u64().unwrap_or(0) | EPHEMERAL;
            data.insert("flags".to_owned(), json!(flags));
        }
        let kind = match open.kind {
            Kind::Command { .. } | Kind::Press => 4,
            // The answer to a question that only the person sees takes its place, buttons and all.
            Kind::PrivatePress => 7,
        };
        match self.respond(open, json!({ "type": kind, "data": data }), files).await {
            Ok(told) => {
                let message = match told["resource"]["message"]["id"].as_str() {
                    Some(id) => id.to_owned(),
                    None => id(&self.original(open, LightMethod::Get, None).await.map_err(of_look)?)?,
                };
                *state = State::Answered { delivery: Some(post.delivery.clone()), message: message.clone() };
                Ok(Some(message))
            }
            // The next look tells whether it arrived.
            Err(CallError::Unsure(_)) => Ok(None),
            Err(CallError::Refused(refusal)) if refusal.code == code::ALREADY_ACKNOWLEDGED => {
                *state = match self.look(open, post).await? {
                    State::Fresh => State::Emptied,
                    seen => seen,
                };
                Ok(None)
            }
            Err(CallError::Refused(refusal)) if refusal.code == code::UNKNOWN_INTERACTION => {
                *state = State::Expired;
                Ok(None)
            }
            Err(error @ (CallError::NotSent(_) | CallError::Limited(_) | CallError::Refused(_))) => {
                *state = State::Fresh;
                Err(of_send(error))
            }
        }
    }

    /// Asks a person for words in a form, which must be the first response. Whether one is shown.
    pub(crate) async fn ask(&self, address: &Address, arrived: Instant, form: Value) -> bool {
        let body = json!({ "type": 9, "data": form });
        while arrived.elapsed() < FIRST_RESPONSE {
            match self.respond_to(address, body.clone(), Vec::new()).await {
                Ok(_) => return true,
                // An attempt whose answer was lost, or the same press handed over twice.
                Err(CallError::Refused(refusal)) if refusal.code == code::ALREADY_ACKNOWLEDGED => return true,
                Err(CallError::NotSent(_)) => sleep(Duration::from_millis(50)).await,
                Err(CallError::Unsure(_)) => {}
                Err(CallError::Limited(wait)) if arrived.elapsed() + wait < FIRST_RESPONSE => sleep(wait).await,
                Err(error @ (CallError::Limited(_) | CallError::Refused(_))) => {
                    tracing::warn!(%error, "a form could not be opened");
                    return false;
                }
            }
        }
        tracing::warn!("a form could not be opened in time");
        false
    }

    /// Fills the deferred answer in, which may be repeated. None when it must go another way.
    pub(super) async fn fill_in(
        &self,
        open: &Open,
        post: &Post,
        state: &mut State,
    ) -> Result<Option<String>, PostError> {
        match self.original(open, LightMethod::Patch, Some(post)).await {
            Ok(told) => {
                let message = id(&told)?;
                *state = State::Answered { delivery: Some(post.delivery.clone()), message: message.clone() };
                Ok(Some(message))
            }
            Err(CallError::Refused(refusal)) if refusal.code == code::UNKNOWN_MESSAGE => {
                *state = State::Emptied;
                Ok(None)
            }
            Err(error) if is_dead(&error) => {
                *state = State::Expired;
                Ok(None)
            }
            Err(error) => Err(of_send(error)),
        }
    }

    /// Looks at what Discord has as the first response.
    pub(super) async fn look(&self, open: &Open, post: &Post) -> Result<State, PostError> {
        let can_begin = open.arrived.elapsed() < FIRST_RESPONSE && (self.now)() - open.address.at < 2_400;
        match self.original(open, LightMethod::Get, None).await {
            Ok(original) => {
                let flags = original["flags"].as_u64().unwrap_or(0);
                if flags & LOADING != 0 {
                    return Ok(State::Deferred { in_private: flags & EPHEMERAL != 0 });
                }
                let is_ours = carries(&original, &reference(&post.delivery));
                Ok(State::Answered { delivery: is_ours.then(|| post.delivery.clone()), message: id(&original)? })
            }
            Err(error) if is_dead(&error) => Ok(if can_begin { State::Fresh } else { State::Expired }),
            Err(CallError::Refused(refusal)) if refusal.code == code::UNKNOWN_MESSAGE => {
                Ok(if can_begin { State::Fresh } else { State::Emptied })
            }
            Err(error) => Err(of_look(error)),
        }
    }

    /// Takes the first response away, which may be repeated.
    pub(super) async fn take_away(&self, open: &Open) -> Result<State, PostError> {
        match self.original(open, LightMethod::Delete, None).await {
            Ok(_) => Ok(State::Emptied),
            Err(CallError::Refused(refusal)) if refusal.code == code::UNKNOWN_MESSAGE => Ok(State::Emptied),
            Err(error) if is_dead(&error) => Ok(State::Expired),
            Err(error) => Err(of_edit(error)),
        }
    }

    /// A further message. In the open it is one of the channel, whose nonce keeps it single; Discord has no such thing
    /// for what one person alone sees, so that may be shown twice when an answer was lost.
    pub(super) async fn follow_up(
        &self,
        open: &Open,
        post: &Post,
        channel: ChannelId,
        in_doubt_since: Option<i64>,
    ) -> Result<String, PostError> {
        if !post.private {
            match self.outgoing.send(post, Target { channel, answers: None }, in_doubt_since).await {
                // An app can be used where it may not write by itself.
                Err(PostError::Gone(_)) => {}
                sent => return sent,
            }
        }
        let (mut data, files) = message(post);
        let flags = data["flags"].as_u64().unwrap_or(0) | if post.private { EPHEMERAL } else { 0 };
        data.insert("flags".to_owned(), json!(flags));
        let route = Route::WebhookFollowupMessages { application_id: open.application(), token: &open.address.token };
        let mut call = Call::new(LightMethod::Post, route);
        call.body = Some(Value::Object(data));
        call.files = files;
        match self.api.call(call).await {
            Ok(told) => id(&told),
            Err(error) if is_dead(&error) => self.elsewhere(open, post, channel, in_doubt_since).await,
            Err(error) => Err(of_send(error)),
        }
    }

    /// Where the token is dead: a message in the channel, or in private if nobody else is to see it.
    pub(super) async fn elsewhere(
        &self,
        open: &Open,
        post: &Post,
        channel: ChannelId,
        in_doubt_since: Option<i64>,
    ) -> Result<String, PostError> {
        if !post.private {
            return self.outgoing.send(post, Target { channel, answers: None }, in_doubt_since).await;
        }
        let cannot = |error| match error {
            // That a person takes no private messages says nothing about the channel.
            PostError::Gone(reason) => PostError::Refused(reason),
            PostError::Refused(_) | PostError::Later(..) | PostError::Ambiguous(_) => error,
        };
        let channel = self.outgoing.private_channel(&open.address.user).await.map_err(|error| match error {
            // Opening a channel twice is opening it once.
            CallError::Unsure(_) if in_doubt_since.is_none() => PostError::Later(Duration::ZERO, error.to_string()),
            CallError::Unsure(_) | CallError::NotSent(_) | CallError::Limited(_) | CallError::Refused(_) => {
                cannot(of_send(error))
            }
        })?;
        self.outgoing.send(post, Target { channel, answers: None }, in_doubt_since).await.map_err(cannot)
    }

    /// Gives the first response.
    pub(super) async fn respond(&self, open: &Open, body: Value, files: Vec<File>) -> Result<Value, CallError> {
        self.respond_to(&open.address, body, files).await
    }

    async fn respond_to(&self, address: &Address, body: Value, files: Vec<File>) -> Result<Value, CallError> {
        let route = Route::InteractionResponse {
            interaction_id: InteractionId::new(address.interaction),
            token: &address.token,
        };
        let mut call = Call::new(LightMethod::Post, route);
        "with_response=true".clone_into(&mut call.query);
        call.body = Some(body);
        call.files = files;
        call.deadline = CALLBACK_DEADLINE;
        self.api.call(call).await
    }

    async fn original(&self, open: &Open, method: LightMethod, post: Option<&Post>) -> Result<Value, CallError> {
        let route = Route::WebhookOriginalInteractionResponse {
            application_id: open.application(),
            token: &open.address.token,
        };
        let mut call = Call::new(method, route);
        if let Some(post) = post {
            let (body, files) = message(post);
            call.body = Some(Value::Object(body));
            call.files = files;
        }
        self.api.call(call).await
    }

    /// Proposes values to a person who is typing.
    pub(crate) async fn propose(&self, address: &Address, choices: Value) -> Result<(), CallError> {
        let route = Route::InteractionResponse {
            interaction_id: InteractionId::new(address.interaction),
            token: &address.token,
        };
        let mut call = Call::new(LightMethod::Post, route);
        call.body = Some(json!({ "type": 8, "data": { "choices": choices } }));
        call.deadline = CALLBACK_DEADLINE;
        self.api.call(call).await.map(|_| ())
    }
}

/// Whether the answer says that the token is good for nothing.
fn is_dead(error: &CallError) -> bool {
    match error {
        CallError::Refused(refusal) => {
            let codes = [code::UNKNOWN_WEBHOOK, code::INVALID_WEBHOOK_TOKEN, code::UNKNOWN_INTERACTION];
            codes.contains(&refusal.code) || refusal.status == 401 || (refusal.status == 404 && refusal.code == 0)
        }
        CallError::NotSent(_) | CallError::Unsure(_) | CallError::Limited(_) => false,
    }
}
