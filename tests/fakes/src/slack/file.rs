//! A file that was uploaded.

use serde_json::{Value, json};

#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) title: String,
    /// Who shared it.
    pub(crate) user: String,
    pub(crate) base: String,
    pub(crate) ticket: String,
    /// How many bytes were announced.
    pub(crate) length: usize,
    pub(crate) content: Option<Vec<u8>>,
    pub(crate) is_shared: bool,
    pub(crate) created: u64,
}

impl File {
    pub(crate) fn show(&self) -> Value {
        let link = format!("{}/files-pri/{}/file", self.base, self.id);
        json!({
            "id": self.id,
            "created": self.created,
            "timestamp": self.created,
            "name": self.name,
            "title": self.title,
            "mimetype": "text/plain",
            "filetype": "text",
            "pretty_type": "Plain Text",
            "user": self.user,
            "editable": false,
            "size": self.content.as_ref().map_or(0, Vec::len),
            "mode": "hosted",
            "is_external": false,
            "external_type": "",
            "is_public": true,
            "public_url_shared": false,
            "display_as_bot": false,
            "username": "",
            "url_private": link,
            "url_private_download": link,
            "permalink": link,
            "permalink_public": link,
            "has_rich_preview": false,
            "file_access": "visible",
        })
    }
}
