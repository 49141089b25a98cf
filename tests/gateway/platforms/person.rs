//! A person in the loop, from the first word to the last: a worker asks, somebody answers from the thread, and the same
//! worker's session goes on. Told again with a gateway that dies between each two steps.

use std::{fs, sync::Arc};

use kanban_fakes::Seen;

use crate::{
    home::until,
    platforms::{Stage, on_each},
};

/// Asks in its first run. In the second it has an answer and goes on, each time as far as it may.
const WORKER: &str = r#"
    wait() { while ! test -e $WORK/$1; do sleep 0.02; done; }
    if ! test -e $WORK/session; then
        echo $KANBAN_SESSION > $WORK/session
        wait may-ask
        kanban block $KANBAN_TASK --kind needs_input --choice Stripe --choice Adyen "Which provider takes the payments?"
    else
        test "$(cat $WORK/session)" = "$KANBAN_SESSION" && same="the same session"
        answers=$(kanban show $KANBAN_TASK | grep -c "Neither: take Mollie")
        kanban heartbeat $KANBAN_TASK --note "building with $answers answer"
        wait may-end
        kanban complete $KANBAN_TASK --summary "paid with $answers answer in $same"
    fi"#;

async fn told(mut stage: Stage, dies: bool) {
    let kind = stage.server.kind();
    let program = stage.home.program("worker", WORKER);
    stage.kill_settled().await;
    stage.write_settings(&format!(
        "[profiles.worker]\ncommand = [\"{}\"]\nset = {{ WORK = \"{}\" }}",
        program.display(),
        stage.home.work("").display()
    ));
    stage.up().await;
    let shop = stage.server.channel("shop");
    let again = async |stage: &mut Stage| {
        if dies {
            stage.kill_settled().await;
            stage.up().await;
        }
    };
    let lets = |stage: &Stage, step: &str| fs::write(stage.home.work(step), "").unwrap();

    // Somebody makes a task in a channel: one short line there, and a thread of its own with the card.
    let (id, line) = stage.creates("bob", &shop, &[("title", "take payments"), ("assignee", "worker")]).await;
    let own = stage.own_thread(&shop, &id).await;
    let card = stage.sees(&own, "the card", |seen| seen.text.contains("running")).await;
    assert!(card.text.contains("take payments"), "{kind}: {card:?}");
    again(&mut stage).await;

    // The worker asks.
    lets(&stage, "may-ask");
    let asked = stage.sees_text(&own, "Which provider takes the payments?").await;
    let labels: Vec<_> = asked.buttons.iter().map(String::as_str).collect();
    assert_eq!(labels, ["Stripe", "Adyen", "Answer", "Show", "Cancel"], "{kind}");
    stage
        .sees(&own, "the card that waits", |seen| seen.id == card.id && seen.text.contains("waits for an answer"))
        .await;
    again(&mut stage).await;

    // Somebody without the right presses, and is told so in private where the platform can do that.
    stage.server.presses("gil", &own, &asked.id, "Stripe").await;
    let refused = stage.sees_text(&own, "your role is guest, and this needs member").await;
    if matches!(kind, "discord" | "slack") {
        assert_eq!(refused.private_to.as_deref(), Some("gil"), "{kind}");
    }
    assert_eq!(stage.home.status(&id), "blocked", "{kind}");
    again(&mut stage).await;

    // Somebody with the right replies in words that are none of the choices, and the worker goes on.
    stage.server.replies("bob", &own, &asked.id, "Neither: take Mollie").await;
    let settled =
        stage.sees(&own, "the question, settled", |seen| seen.id == asked.id && seen.buttons.is_empty()).await;
    assert!(settled.text.contains("→ Neither: take Mollie"), "{kind}: {settled:?}");
    stage.sees(&own, "how far it is", |seen| seen.id == card.id && seen.text.contains("building with 1 answer")).await;
    again(&mut stage).await;

    // It ends: the result in the thread, one line in the channel.
    lets(&stage, "may-end");
    stage.sees_text(&own, "paid with 1 answer in the same session").await;
    let done = stage.sees(&own, "the last state", |seen| seen.id == card.id && is_done(seen)).await;
    for state in ["running", "waits for an answer"] {
        assert!(done.earlier.iter().any(|text| text.contains(state)), "{kind}: no `{state}` on {done:?}");
    }
    let ping = stage.sees(&shop, "the ping", |seen| seen.text.starts_with("done: ") && seen.text.contains(&id)).await;
    again(&mut stage).await;
    let home = Arc::clone(&stage.home);
    let queued = move || home.count("SELECT count(*) FROM deliveries WHERE state = 'queued'");
    tokio::task::spawn_blocking(move || until("all has arrived", || (queued() == 0).then_some(()))).await.unwrap();
    let in_thread: Vec<String> = stage.server.seen(&own).into_iter().map(|seen| seen.id).collect();
    let in_channel: Vec<Seen> = stage.server.seen(&shop).into_iter().filter(|seen| seen.is_ours).collect();
    // On Telegram a chain of replies stands in the channel itself.
    let in_channel: Vec<_> = in_channel.iter().map(|seen| &seen.id).filter(|id| !in_thread.contains(id)).collect();
    assert_eq!(in_channel, [&line.id, &ping.id], "{kind}: {:#?}", stage.server.seen(&shop));
    stage.close(&[&shop, &own]).await;
}

fn is_done(seen: &Seen) -> bool {
    seen.text.contains("done")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_person_answers_a_stuck_worker_from_the_thread() {
    on_each(|stage| told(stage, false)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_person_answers_a_stuck_worker_while_the_gateway_dies_between_all_steps() {
    on_each(|stage| told(stage, true)).await;
}
