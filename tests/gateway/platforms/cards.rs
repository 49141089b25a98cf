//! One message for each task and thread that moves with the task, and one for the board.

use crate::platforms::on_each;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_card_moves_with_its_task_and_one_message_tells_its_end() {
    on_each(|stage| async move {
        let kind = stage.server.kind();
        let shop = stage.server.thread("ops", "shop");
        let late = stage.server.thread("ops", "late");
        let (id, card) = stage.creates("ann", &shop, &[("title", "count the shelves")]).await;
        stage.server.mentions("ann", &late, &format!("kanban watch {id}")).await;
        let present = stage.sees(&late, "the present state", |seen| seen.text.contains("count the shelves")).await;
        assert!(present.text.contains("ready"), "{kind}: {}", present.text);
        for number in 0..6 {
            stage.ok(&["comment", &id, &format!("shelf {number}")]).await;
        }
        stage.ok(&["complete", &id, "--summary", "twelve shelves"]).await;
        for (place, first) in [(&shop, &card), (&late, &present)] {
            stage.sees_text(place, "twelve shelves").await;
            let moved = stage.sees(place, "the card", |seen| seen.id == first.id && seen.text.contains("done")).await;
            assert!(moved.earlier.len() <= 6, "{kind}: {:?}", moved.earlier);
            let told = stage.server.seen(place).iter().filter(|seen| seen.is_ours && seen.text.contains(&id)).count();
            assert_eq!(told, 2, "{kind}: the card and one ping");
        }
        stage.close(&[&shop, &late]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_board_is_one_message_that_keeps_itself_up_to_date() {
    on_each(|stage| async move {
        let kind = stage.server.kind();
        let shop = stage.server.thread("ops", "shop");
        stage.server.mentions("ann", &shop, "kanban board").await;
        let first = stage.sees_text(&shop, "There are no tasks").await;
        stage.ok(&["create", "paint", "the", "shed"]).await;
        stage.sees(&shop, "the task", |seen| seen.id == first.id && seen.text.contains("paint the shed")).await;
        // A second one takes the place of the first.
        stage.server.mentions("ann", &shop, "kanban board").await;
        let second = stage
            .sees(&shop, "the second card", |seen| seen.id != first.id && seen.text.contains("paint the shed"))
            .await;
        stage.ok(&["create", "mow", "the", "lawn"]).await;
        stage.sees(&shop, "the move", |seen| seen.id == second.id && seen.text.contains("mow the lawn")).await;
        let left = stage.server.seen(&shop).into_iter().find(|seen| seen.id == first.id).unwrap();
        assert!(!left.text.contains("mow the lawn"), "{kind}: {}", left.text);
        stage.close(&[&shop]).await;
    })
    .await;
}
