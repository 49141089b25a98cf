//! Letting people in: the code of the host, groups of the platform, private boards, and what each of them is told.

use crate::platforms::on_each;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn strangers_pair_groups_are_let_in_and_private_boards_stay_hidden() {
    on_each(|stage| async move {
        let kind = stage.server.kind();
        let ops = stage.server.channel("ops");

        // A stranger is told how to become somebody, sends the code of the host, and is an owner from then on.
        let printed = stage.ok(&["pair"]).await;
        let code = printed.lines().next().unwrap().to_lowercase();
        // Whoever sits at the console is an owner already.
        if kind != "console" {
            stage.server.mentions("mallory", &ops, "hello").await;
            stage.sees_text(&ops, "kanban pair").await;
            stage.server.mentions("mallory", &ops, &code).await;
            stage.sees_text(&ops, "you are an owner of this gateway now").await;
            stage.server.mentions("mallory", &ops, "access grant discord:1 guest").await;
            stage.sees_text(&ops, "Granted: discord:1 guest").await;
        }

        // A role that is given to a group is had by those who are in it.
        if let Some(crew) = stage.server.joins("carl", "crew") {
            stage.ok(&["access", "grant", &crew, "member"]).await;
            stage.server.mentions("carl", &ops, "create made by the crew").await;
            stage
                .sees(&ops, "the crew's task", |seen| {
                    seen.text.contains("Created t_") && seen.text.contains("by the crew")
                })
                .await;
        }

        // What is private does not exist for others, and is there for whom a grant names it to.
        stage.ok(&["boards", "create", "den"]).await;
        stage.ok(&["boards", "private", "den", "on"]).await;
        stage.server.commands("bob", &ops, &["list"], &[("board", "den")]).await;
        stage.sees_text(&ops, "board 'den' does not exist").await;
        let bob = stage.server.person("bob");
        stage.ok(&["access", "grant", &bob, "member", "--in", "board=den"]).await;
        stage.server.commands("bob", &ops, &["create"], &[("title", "dig deeper"), ("board", "den")]).await;
        stage
            .sees(&ops, "the den's task", |seen| seen.text.contains("Created t_") && seen.text.contains("dig deeper"))
            .await;

        let audit = stage.ok(&["audit"]).await;
        assert!(audit.contains(&format!("{bob} ")) && audit.contains("create t_"), "{kind}: {audit}");
        assert!(audit.contains("access grant on default  done"), "{kind}: {audit}");
        stage.close(&[&ops]).await;
    })
    .await;
}
