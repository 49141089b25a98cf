//! `request-review`, `approve` and `request-changes`.

use serde_json::Value;

use super::tasks::may_release;
use crate::{
    board::{
        Error, ProfileName, Tx,
        error::refuse,
        finish::HandOff,
        review::{HandedIn, Wanted},
    },
    command::{
        access,
        caller::Caller,
        desk::{Desk, Done},
        reply::Reply,
        run::Prepared,
        value::Assignee,
        verbs,
    },
    settings::Kind,
};

pub(super) async fn request(
    desk: &Desk,
    caller: &Caller,
    args: &verbs::RequestReview,
    prepared: &Prepared,
    tx: &mut Tx,
) -> Result<Done, Error> {
    let wanted = match &args.reviewer {
        None => Wanted::Usual,
        Some(Assignee::Nobody) => Wanted::Person,
        Some(Assignee::Profile(name)) => {
            able(desk, caller, name)?;
            Wanted::Profile(name.clone())
        }
    };
    let hand_off = HandOff {
        result: args.result.as_ref().map(|text| text.as_str().to_owned()),
        summary: args.summary.as_ref().map(|text| text.as_str().to_owned()),
        metadata: args.metadata.as_ref().map(|metadata| Value::Object(metadata.0.clone())),
        artifacts: prepared.artifacts(),
    };
    let handed = tx.request_review(&caller.actor, &args.task, &hand_off, &wanted, desk.now()).await?;
    let task = tx.task(&args.task).await?;
    tx.unknown_references(&caller.actor, &task, &hand_off, desk.now()).await?;
    let HandedIn { reviewer, because } = handed;
    let looks = match &reviewer {
        Some(reviewer) => format!("`{reviewer}` looks at it"),
        None => "a person looks at it".to_owned(),
    };
    let because = because.map_or(String::new(), |because| format!(": {because}"));
    Ok(Reply::text(format!("Handed in {}; {looks}{because}", args.task)).about(&args.task).into())
}

pub(super) async fn approve(desk: &Desk, caller: &Caller, args: &verbs::Approve, tx: &mut Tx) -> Result<Done, Error> {
    tx.approve(&caller.actor, &args.task, args.words().as_deref(), desk.now()).await?;
    Ok(Reply::text(format!("Approved {}, which is done", args.task)).about(&args.task).into())
}

pub(super) async fn request_changes(
    desk: &Desk,
    caller: &Caller,
    args: &verbs::RequestChanges,
    tx: &mut Tx,
) -> Result<Done, Error> {
    // Whoever had a worker look at it lets that worker send it back.
    if caller.actor.is_person() {
        may_release(desk, caller, &args.task, tx).await?;
    }
    let status = tx.request_changes(&caller.actor, &args.task, &args.words(), desk.now()).await?;
    Ok(Reply::text(format!("Sent back {} ({status})", args.task)).about(&args.task).into())
}

/// Refuses a profile that the caller may not use, or that cannot look at anything.
fn able(desk: &Desk, caller: &Caller, name: &ProfileName) -> Result<(), Error> {
    let settings = desk.settings.get();
    if access::profile(caller, &settings, name)?.kind == Kind::Script {
        refuse!(
            Invalid,
            "`{name}` runs the body of a task as a script and cannot look at work; choose a profile of an agent, or `--reviewer none` for a person"
        );
    }
    Ok(())
}
