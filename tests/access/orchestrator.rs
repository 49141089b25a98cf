//! A worker that steers others: what its profile's scope opens, for whom, and what stays shut.

use kanban_gateway::{
    board::{Board, ProfileName, TaskId, create::NewTask, task::Status},
    dispatcher::apply_call,
    shim::{Answer, Call, Token},
};

use super::{House, SETTINGS, somebody};

/// A worker at work on a task.
struct Worker<'h> {
    house: &'h House,
    own: TaskId,
    run: i64,
    token: Token,
    calls: std::cell::Cell<u64>,
}

impl<'h> Worker<'h> {
    /// The worker of a profile, on a new task of a tenant.
    async fn of(house: &'h House, profile: &str, tenant: Option<&str>) -> Self {
        let new = NewTask {
            title: "split it".to_owned(),
            tenant: tenant.map(str::to_owned),
            assignee: Some(profile.parse::<ProfileName>().unwrap()),
            ..NewTask::default()
        };
        let mut tx = house.board.write().await.unwrap();
        let own = tx.create(&somebody(), "fake:owner", new, house.now()).await.unwrap().task.id;
        let claim = tx.claim(&own, "gateway", None, house.now()).await.unwrap();
        tx.commit().await.unwrap();
        let token = Token::new(claim.token.expose().to_owned());
        Self { house, own, run: claim.run.id, token, calls: std::cell::Cell::new(0) }
    }

    async fn says(&self, line: &str) -> Answer {
        self.calls.set(self.calls.get() + 1);
        let argv = line.split(' ').map(str::to_owned).collect();
        let call = Call { call: self.calls.get(), argv, stdin: None };
        apply_call(&self.house.desk, self.run, &self.token, &call).await
    }

    async fn may(&self, line: &str) -> String {
        let answer = self.says(line).await;
        assert_eq!(answer.exit, 0, "{line}: {}", answer.stderr);
        answer.stdout
    }

    async fn may_not(&self, line: &str, because: &str) {
        let answer = self.says(line).await;
        assert_eq!(answer.exit, 1, "{line}: {}", answer.stdout);
        assert!(answer.stderr.contains(because), "{line}: {}", answer.stderr);
    }
}

const PROFILES: &str = "[profiles.boss]\ncommand = [\"true\"]\nscope = \"orchestrator\"\n\
                        [profiles.hand]\ncommand = [\"true\"]\n\
                        [profiles.chief]\ncommand = [\"true\"]\nroles = [\"operator\"]\n";

async fn house() -> House {
    House::new(&format!("{SETTINGS}{PROFILES}")).await
}

async fn status(board: &Board, task: &TaskId) -> Status {
    board.read().await.unwrap().task(task).await.unwrap().status
}

/// Blocks a task by its own worker's or a person's hand.
async fn blocked(house: &House, task: &TaskId, kind: &str) {
    house.host(&format!("block {task} --kind {kind} no")).await;
    assert_eq!(status(&house.board, task).await, Status::Blocked);
}

#[tokio::test]
async fn an_orchestrator_steers_the_tasks_of_its_tenant() {
    let house = house().await;
    let boss = Worker::of(&house, "boss", Some("acme")).await;
    let (one, two) =
        (house.task(&house.board, "one", Some("acme")).await, house.task(&house.board, "two", Some("acme")).await);
    boss.may(&format!("assign {one} hand")).await;
    boss.may(&format!("link {one} {two}")).await;
    assert_eq!(status(&house.board, &two).await, Status::Todo);
    boss.may(&format!("link {two} {}", boss.own)).await;
    boss.may(&format!("comment {one} look at the old one first")).await;
    boss.may(&format!("unlink {one} {two}")).await;
    blocked(&house, &one, "transient").await;
    boss.may(&format!("unblock {one} --reason it.is.up.again")).await;
    assert_eq!(status(&house.board, &one).await, Status::Ready);
    assert!(boss.may("list").await.contains(one.as_str()));
    // What it makes is of its tenant without its saying so.
    let made = boss.may("create a part --assignee hand --json").await;
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    assert_eq!(made["tenant"], "acme");
    boss.may("create a part --tenant acme").await;
}

#[tokio::test]
async fn an_orchestrator_does_not_do_the_work_of_others_nor_decide_for_people() {
    let house = house().await;
    let boss = Worker::of(&house, "boss", None).await;
    let other = house.task(&house.board, "another's", None).await;
    for line in [
        "complete TASK",
        "block TASK why",
        "heartbeat TASK",
        "schedule TASK",
        "edit TASK --result x",
        "cancel TASK",
        "archive TASK",
        "promote TASK",
        "attach TASK x",
    ] {
        boss.may_not(&line.replace("TASK", other.as_str()), "").await;
    }
    boss.may_not(&format!("assign {other} chief"), "only the role operator").await;
    boss.may_not(&format!("reclaim {other}"), "a worker may not run this").await;
    blocked(&house, &other, "needs_input").await;
    boss.may_not(&format!("unblock {other}"), "only a person can release it").await;
    boss.may_not(&format!("answer {other} yes"), "a worker may not run this").await;
    assert_eq!(status(&house.board, &other).await, Status::Blocked);
}

#[tokio::test]
async fn tenants_are_shut_to_an_orchestrator_of_another() {
    let house = house().await;
    let (boss, free) = (Worker::of(&house, "boss", Some("acme")).await, Worker::of(&house, "boss", None).await);
    let (own, other, none) = (
        house.task(&house.board, "own", Some("acme")).await,
        house.task(&house.board, "other", Some("bolt")).await,
        house.task(&house.board, "none", None).await,
    );
    for line in ["comment TASK x", "assign TASK hand", "link TASK OWN", "link OWN TASK", "unblock TASK"] {
        for (worker, task, because) in [
            (&boss, &other, "no such task"),
            (&boss, &none, "is not of tenant acme"),
            (&free, &other, "belongs to a tenant"),
        ] {
            let line = line.replace("TASK", task.as_str()).replace("OWN", worker.own.as_str());
            worker.may_not(&line, because).await;
        }
    }
    boss.may_not("create x --tenant bolt", "for the tenant of its own task").await;
    free.may_not("create x --tenant bolt", "for the tenant of its own task").await;
    boss.may(&format!("comment {own} mine")).await;
    free.may(&format!("comment {none} mine")).await;
}

#[tokio::test]
async fn a_plain_worker_steers_nobody_and_its_tasks_stay_with_its_tenant() {
    let house = house().await;
    let hand = Worker::of(&house, "hand", Some("acme")).await;
    let other = house.task(&house.board, "other", Some("acme")).await;
    for line in ["comment TASK x", "assign TASK hand", "link TASK OWN", "link OWN TASK", "unblock TASK"] {
        hand.may_not(&line.replace("TASK", other.as_str()).replace("OWN", hand.own.as_str()), "is not yours").await;
    }
    let made: serde_json::Value = serde_json::from_str(&hand.may("create a part --json").await).unwrap();
    assert_eq!(made["tenant"], "acme");
    hand.may(&format!("comment {} it.is.mine", made["id"].as_str().unwrap())).await;

    // What is of another tenant is not there for it, and what is of none is.
    let (foreign, free) =
        (house.task(&house.board, "foreign", Some("bolt")).await, house.task(&house.board, "free", None).await);
    for line in [
        "show TASK",
        "show TASK --json",
        "context TASK",
        "runs TASK",
        "log TASK",
        "why TASK",
        "tail TASK",
        "attachments TASK",
    ] {
        hand.may_not(&line.replace("TASK", foreign.as_str()), "no such task").await;
    }
    hand.may(&format!("show {other}")).await;
    hand.may(&format!("show {free}")).await;
    hand.may_not(&format!("create x --parent {foreign}"), "no such task").await;
    hand.may_not("create x --tenant bolt", "for the tenant of its own task").await;
    hand.may_not("list --tenant bolt", "for the tenant of its own task").await;
    let listed = hand.may("list").await;
    assert!(listed.contains(other.as_str()) && !listed.contains(foreign.as_str()), "{listed}");
}

#[tokio::test]
async fn an_orchestrator_whose_run_has_ended_steers_nothing() {
    let house = house().await;
    let boss = Worker::of(&house, "boss", None).await;
    let other = house.task(&house.board, "other", None).await;
    house.host(&format!("reclaim {}", boss.own)).await;
    for line in ["comment TASK x", "assign TASK hand", "link TASK OWN", "unblock TASK", "create x"] {
        boss.may_not(&line.replace("TASK", other.as_str()).replace("OWN", boss.own.as_str()), "has ended").await;
    }
}
