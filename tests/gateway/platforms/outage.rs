//! A gateway that dies: what people did meanwhile has its effect once, and what was owed arrives once.

use kanban_platform::Thread;

use crate::platforms::{id_in, on_each};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_said_while_no_gateway_runs_is_done_when_it_is_back() {
    on_each(|mut stage| async move {
        let kind = stage.server.kind();
        if kind == "console" {
            // Nobody can speak to a console that is not there.
            return stage.close(&[]).await;
        }
        let ops = stage.server.channel("ops");
        let (before, _) = stage.creates("ann", &ops, &[("title", "before the outage")]).await;
        stage.kill_settled().await;
        stage.server.mentions("ann", &ops, "kanban create during the outage").await;
        stage.ok(&["complete", &before, "--summary", "finished while nobody listened"]).await;
        stage.up().await;
        let seen = stage.sees(&ops, "the late task", |seen| seen.text.contains("during the outage")).await;
        let late = id_in(&seen.text);
        let own = stage.own_thread(&ops, &before).await;
        stage.sees(&own, "the late news", |seen| seen.text.contains("finished while nobody listened")).await;
        stage.kill_settled().await;
        stage.up().await;
        stage.server.mentions("ann", &ops, &format!("kanban show {late}")).await;
        stage.sees(&ops, "the task", |seen| seen.text.contains(&late) && !seen.text.contains("Created t_")).await;
        let count = |place: &Thread, text: &str| {
            stage.server.seen(place).iter().filter(|seen| seen.is_ours && seen.text.contains(text)).count()
        };
        assert_eq!(count(&ops, "Created t_"), 2, "{kind}");
        assert_eq!(count(&ops, "done: before the outage"), 1, "{kind}");
        assert_eq!(count(&own, "finished while nobody listened"), 1, "{kind}");
        stage.close(&[&ops]).await;
    })
    .await;
}
