//! A task that is made in a channel lives in a thread of its own; the channel hears of its beginning and of its end.

use crate::platforms::on_each;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_task_of_a_channel_lives_in_a_thread_of_its_own() {
    on_each(|mut stage| async move {
        let kind = stage.server.kind();
        let ops = stage.server.channel("ops");
        let (id, line) = stage.creates("ann", &ops, &[("title", "sort the mail")]).await;
        assert!(line.text.contains(&format!("Created {id} “sort the mail” (ready)")), "{kind}: {}", line.text);
        let own = stage.own_thread(&ops, &id).await;
        let card = stage.sees(&own, "the card", |seen| seen.text.contains("sort the mail")).await;
        assert!(card.text.contains("ready") && card.text.contains(&id), "{kind}: {}", card.text);
        // What happens while nobody delivers it comes to the right place later.
        stage.kill_settled().await;
        stage.ok(&["block", &id, "Which pile?", "--kind", "needs_input"]).await;
        stage.up().await;
        stage.sees_text(&own, "Which pile?").await;
        stage.ok(&["unblock", &id, "--reason", "The blue one"]).await;
        stage.ok(&["complete", &id, "--summary", "three piles"]).await;
        stage.sees_text(&own, "three piles").await;
        stage.sees(&own, "the last state", |seen| seen.id == card.id && seen.text.contains("done")).await;
        let ping = stage.sees_text(&ops, "done: sort the mail").await;
        assert!(ping.buttons.is_empty() && !ping.text.contains("three piles"), "{kind}: {ping:?}");
        // On Telegram a chain of replies stands in the channel itself.
        let in_thread: Vec<String> = stage.server.seen(&own).into_iter().map(|seen| seen.id).collect();
        let told = stage.server.seen(&ops);
        let told = told.iter().filter(|seen| seen.is_ours && seen.text.contains(&id) && !in_thread.contains(&seen.id));
        let told = told.count();
        assert_eq!(told, 2, "{kind}: the channel gets one short line and one ping");
        assert_eq!(stage.server.opened(&ops).len(), 1, "{kind}");
        stage.close(&[&ops, &own]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_channel_without_threads_keeps_its_tasks() {
    on_each(|stage| async move {
        let kind = stage.server.kind();
        let ops = stage.server.channel("ops");
        stage.server.mentions("ann", &ops, "kanban threads off").await;
        stage.sees_text(&ops, "stay in it").await;
        let (id, card) = stage.creates("ann", &ops, &[("title", "sort the mail")]).await;
        stage.ok(&["complete", &id, "--summary", "three piles"]).await;
        stage.sees_text(&ops, "three piles").await;
        stage.sees(&ops, "the card", |seen| seen.id == card.id && seen.text.contains("(done")).await;
        assert!(stage.server.opened(&ops).is_empty(), "{kind}");
        stage.server.mentions("bob", &ops, "kanban threads on").await;
        stage.sees_text(&ops, "your role is member, and this needs operator").await;
        stage.close(&[&ops]).await;
    })
    .await;
}
