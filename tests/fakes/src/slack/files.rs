//! `files.*`: an upload in three steps.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{FromRequest, Multipart, Path, Request, State as Shared},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde_json::{Value, json};

use crate::slack::{
    call::{Answer, Arguments, Refusal, Reply},
    chat::{existing_thread, writable},
    clock,
    file::File,
    message::Message,
    reader::list,
    road::{Refusals, Road},
    state::BOT_USER,
    web::{BOT_TOKEN, plain_refusal},
    workspace::Workspace,
};

impl Workspace {
    pub(crate) fn upload_url(&self, arguments: &Arguments) -> Answer {
        let name = arguments.required("filename")?.to_owned();
        let length = arguments.number("length").ok_or(Refusal::new("invalid_arguments"))?;
        let mut state = self.state();
        let (id, ticket) = (state.make_id('F'), state.make_secret());
        let file = File {
            id: id.clone(),
            title: name.clone(),
            name,
            user: BOT_USER.to_owned(),
            base: self.base.clone(),
            ticket: ticket.clone(),
            length: usize::try_from(length).unwrap_or(usize::MAX),
            content: None,
            is_shared: false,
            created: clock::seconds(),
        };
        state.files.insert(id.clone(), file);
        Ok(json!({ "upload_url": format!("{}/upload/v1/{ticket}", self.base), "file_id": id }))
    }

    pub(crate) fn complete_upload(self: &Arc<Self>, arguments: &Arguments) -> Answer {
        let files = arguments.array("files", "invalid_arguments")?.unwrap_or_default();
        if files.is_empty() {
            return Err(Refusal::new("invalid_arguments"));
        }
        let mut state = self.state();
        for file in &files {
            let known = state.files.get(file["id"].as_str().unwrap_or_default());
            if known.is_none_or(|file| file.content.is_none() || file.is_shared) {
                return Err(Refusal::new("file_not_found"));
            }
        }
        let place = match arguments.text("channel_id").or(arguments.text("channels")) {
            Some(channel) => {
                let channel = writable(&mut state, channel)?;
                let thread = existing_thread(&state, &channel, arguments.text("thread_ts"))?;
                Some((channel, thread))
            }
            None => None,
        };
        let mut ids = Vec::new();
        for given in &files {
            let Some(file) = given["id"].as_str().and_then(|id| state.files.get_mut(id)) else { continue };
            if let Some(title) = given["title"].as_str() {
                title.clone_into(&mut file.title);
            }
            file.is_shared = place.is_some();
            ids.push(file.id.clone());
        }
        let shown: Vec<Value> = ids.iter().filter_map(|id| state.files.get(id)).map(File::show).collect();
        let events = match place {
            Some((channel, thread_ts)) => {
                let message = Message {
                    thread_ts,
                    user: BOT_USER.to_owned(),
                    text: arguments.text("initial_comment").unwrap_or_default().to_owned(),
                    blocks: list(arguments.fields.get("blocks").unwrap_or(&Value::Null)).to_vec(),
                    files: ids,
                    has_markup: true,
                    ..Message::default()
                };
                let ts = state.add(&channel, message).ok_or(Refusal::new("channel_not_found"))?;
                self.message_events(&mut state, &channel, &ts)
            }
            None => Vec::new(),
        };
        drop(state);
        self.wire.changed();
        self.tell_all(events);
        Ok(json!({ "files": shown }))
    }

    fn store(&self, ticket: &str, content: Vec<u8>) -> Reply {
        let mut state = self.state();
        let Some(file) = state.files.values_mut().find(|file| file.ticket == ticket && file.content.is_none()) else {
            return plain_refusal(StatusCode::NOT_FOUND, "file_not_found");
        };
        if content.len() != file.length {
            let (announced, came) = (file.length, content.len());
            drop(state);
            self.wire.complain(format!("an upload of {came} bytes, of which {announced} were announced"));
            return plain_refusal(StatusCode::BAD_REQUEST, "length_mismatch");
        }
        let length = content.len();
        file.content = Some(content);
        Reply::text(StatusCode::OK, &format!("OK - {length}"))
    }
}

/// The content of a file, for whoever shows a token that may read it; others are sent to the page for signing in.
pub(crate) async fn download(
    Shared(workspace): Shared<Arc<Workspace>>,
    Path((id, _)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let token = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let road = Road {
        route: "download".to_owned(),
        channel: None,
        body: json!({ "file": id }),
        bucket: "download".to_owned(),
        is_post: false,
        rate: (50, 50),
    };
    let refusals = Refusals {
        refuse: plain_refusal(StatusCode::FORBIDDEN, "access_denied"),
        gone: plain_refusal(StatusCode::NOT_FOUND, "file_not_found"),
    };
    let done = Arc::clone(&workspace);
    let content = move || {
        let is_let_in = token == format!("Bearer {BOT_TOKEN}") && done.check_scope("files:read").is_ok();
        if !is_let_in {
            return plain_refusal(StatusCode::FOUND, "sign_in");
        }
        match done.state().files.get(&id).and_then(|file| file.content.clone()) {
            Some(content) => Reply::bytes(content),
            None => plain_refusal(StatusCode::NOT_FOUND, "file_not_found"),
        }
    };
    workspace.go(road, refusals, content).await
}

/// `POST` of the content to the address that was given out: as it is, or as the first part of a form.
pub(crate) async fn upload(
    Shared(workspace): Shared<Arc<Workspace>>,
    Path(ticket): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let content_type = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let content = if content_type.starts_with("multipart/form-data") {
        match Multipart::from_request(request, &()).await {
            Ok(mut form) => match form.next_field().await {
                Ok(Some(field)) => field.bytes().await.ok(),
                Ok(None) | Err(_) => None,
            },
            Err(_) => None,
        }
    } else {
        Bytes::from_request(request, &()).await.ok()
    };
    let length = content.as_ref().map_or(0, Bytes::len);
    let road = Road {
        route: "upload".to_owned(),
        channel: None,
        body: json!({ "length": length }),
        bucket: "upload".to_owned(),
        is_post: false,
        rate: (50, 50),
    };
    let refusals = Refusals {
        refuse: plain_refusal(StatusCode::BAD_REQUEST, "invalid_arguments"),
        gone: plain_refusal(StatusCode::NOT_FOUND, "file_not_found"),
    };
    let done = Arc::clone(&workspace);
    workspace.go(road, refusals, move || done.store(&ticket, content.unwrap_or_default().to_vec())).await
}
