//! A place that says where its tasks work, and words for a profile, on each platform.

use crate::platforms::{id_in, on_each};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_channel_has_a_directory_and_its_threads_take_after_it() {
    on_each(|stage| async move {
        let kind = stage.server.kind();
        let ops = stage.server.channel("ops");
        let folder = stage.home.work_folder("shop");
        let program = stage.home.program("agent", "kanban complete $KANBAN_TASK --summary \"in $(pwd)\"");
        let mut stage = stage;
        stage.kill_settled().await;
        stage.write_settings(&format!(
            "[workspaces]\nroots = [\"{}\"]\n[profiles.agent]\ncommand = [\"{}\"]\n",
            stage.home.work("").display(),
            program.display()
        ));
        stage.up().await;
        let path = std::fs::canonicalize(&folder).unwrap().display().to_string();

        stage.server.mentions("ann", &ops, &format!("/kanban here {} --assignee agent", folder.display())).await;
        let set = stage.sees_text(&ops, "In force here").await;
        assert!(set.text.contains(&path) && set.text.contains(&stage.server.person("ann")), "{kind}: {}", set.text);
        stage.server.mentions("bob", &ops, "/kanban here --tenant x").await;
        stage.sees_text(&ops, "your role is member, and this needs operator").await;

        // What is made in a thread of the channel takes after the channel; the console has no threads of people.
        let place = if kind == "console" { ops.clone() } else { stage.server.thread("ops", "shop") };
        stage.server.mentions("bob", &place, "/kanban create where am I").await;
        let created = stage.sees_text(&place, "where am I").await;
        assert!(
            ["assignee=agent", "@agent"].iter().any(|agent| created.text.contains(agent))
                && created.text.contains(&path),
            "{kind}: {}",
            created.text
        );
        let id = id_in(&created.text);
        let (home, task) = (std::sync::Arc::clone(&stage.home), id.clone());
        tokio::task::spawn_blocking(move || home.wait_for(&task, "done")).await.unwrap();
        assert!(stage.ok(&["show", &id]).await.contains(&format!("in {path}")), "{kind}");

        // Words for a profile; a name that nobody has makes no task.
        stage.server.mentions("bob", &ops, "@agnet have a look").await;
        stage.sees_text(&ops, "did you mean").await;
        stage.server.mentions("bob", &ops, "@agent have a look\nat the details").await;
        let asked = stage.sees_text(&ops, "have a look").await;
        let id = id_in(&asked.text);
        let shown = stage.ok(&["show", &id]).await;
        assert!(shown.contains("at the details") && shown.contains("agent"), "{kind}: {shown}");

        stage.server.mentions("ann", &ops, "/kanban here off").await;
        stage.sees_text(&ops, "Ended what was set here").await;
        stage.close(&[&ops, &place]).await;
    })
    .await;
}
