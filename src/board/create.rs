//! Creating a task, once.

use serde_json::json;

use crate::{
    board::{
        actor::{Actor, Remit},
        amount::Amount,
        budget::Budget,
        db::{Tx, sql},
        error::{Error, refuse},
        event::Kind,
        id::{ProfileName, TaskId},
        question::Ask,
        quorum::Quorum,
        statements::*,
        task::{BlockKind, Status, Task, WorkspaceKind},
    },
    clock::Millis,
};

/// The most characters of a title, bytes of a body, and parents of a task.
pub const TITLE_LIMIT: usize = 1_000;
pub const BODY_LIMIT: usize = 256 * 1024;
pub const PARENT_LIMIT: usize = 64;

/// What a new task is to be.
#[derive(Clone, Debug, Default)]
pub struct NewTask {
    pub title: String,
    pub body: Option<String>,
    pub assignee: Option<ProfileName>,
    pub parents: Vec<TaskId>,
    /// How many of them it waits for; none for all.
    pub quorum: Option<Quorum>,
    pub priority: i64,
    pub tenant: Option<String>,
    pub workspace: Option<(WorkspaceKind, Option<String>)>,
    /// The root below which its directory was allowed, where that is there already.
    pub workspace_root: Option<String>,
    pub branch: Option<String>,
    pub project: Option<String>,
    pub skills: Vec<String>,
    pub goal_max_turns: Option<i64>,
    pub goal_mode: bool,
    pub max_retries: Option<i64>,
    pub max_runtime_seconds: Option<i64>,
    pub budget: Budget,
    pub idempotency_key: Option<String>,
    pub session_id: Option<String>,
    pub triage: bool,
    pub blocked: bool,
    /// Not before this time.
    pub at: Option<Millis>,
}

/// What `create` did.
#[derive(Clone, Debug)]
pub struct Created {
    pub task: Task,
    /// The key was known: this is the task that it had made before.
    pub existed: bool,
}

impl Tx {
    /// Creates a task, or answers the live one with the same idempotency key.
    pub async fn create(
        &mut self,
        actor: &Actor,
        created_by: &str,
        new: NewTask,
        now: Millis,
    ) -> Result<Created, Error> {
        let mut new = new;
        if let Actor::Worker { task: own, remit, .. } = actor {
            self.fence(actor, own).await?;
            let tenant = self.task(own).await?.tenant;
            // A worker of no tenant may make tasks for one, as long as it does not steer them.
            if new.tenant.is_some() && new.tenant != tenant && (tenant.is_some() || *remit == Remit::Tenant) {
                refuse!(
                    Forbidden,
                    "a worker makes tasks for the tenant of its own task {own}, which is {}; leave the tenant out",
                    tenant.as_deref().unwrap_or("none")
                );
            }
            new.tenant = new.tenant.or(tenant);
        }
        let key = new.idempotency_key.as_deref().map(str::trim).filter(|key| !key.is_empty());
        if let Some(key) = key {
            let known: Option<Task> = sql!(self, TASK_BY_KEY, key; fetch_optional);
            if let Some(task) = known {
                return Ok(Created { task, existed: true });
            }
        }
        check(&new)?;
        let mut parents = new.parents.clone();
        parents.sort();
        parents.dedup();
        let (mut open_parent, mut done_parents) = (false, 0);
        let mut unknown = Vec::new();
        for parent in &parents {
            let found: Option<Task> = sql!(self, TASK, parent; fetch_optional);
            match found {
                Some(task) => {
                    open_parent |= !task.status.satisfies_children();
                    done_parents += i64::from(task.status.satisfies_children() && task.completed_at.is_some());
                }
                None => unknown.push(parent.to_string()),
            }
        }
        if !unknown.is_empty() {
            refuse!(
                UnknownTask,
                "unknown parent task(s): {}; `{{kanban}} list` shows the tasks of this board",
                unknown.join(", ")
            );
        }
        let status = match () {
            () if new.blocked => Status::Blocked,
            () if new.triage => Status::Triage,
            () if new.at.is_some_and(|at| at > now) => Status::Scheduled,
            () if open_parent && new.quorum.is_none_or(|quorum| done_parents < quorum.needed) => Status::Todo,
            () => Status::Ready,
        };
        let (workspace_kind, workspace_path) = new.workspace.clone().unwrap_or((WorkspaceKind::Scratch, None));
        let creator_run = match actor {
            Actor::Worker { run, .. } => Some(*run),
            Actor::Person { .. } | Actor::Gateway => None,
        };
        let title = new.title.trim();
        let body = new.body.as_deref().filter(|body| !body.trim().is_empty());
        let skills = serde_json::to_string(&new.skills)?;
        // A task that is born blocked is a gate for people: nothing else may open it.
        let gate = (status == Status::Blocked).then_some(("needs_input", "created blocked"));
        let mut id = TaskId::random();
        // An id that is taken inserts nothing, and the next one is tried.
        while sql!(self, INSERT_TASK, &id, title, body, new.assignee.as_ref(), status, new.priority, new.tenant.as_ref(),
            workspace_kind, workspace_path.as_ref(), new.branch.as_ref(), new.project.as_ref(), skills.as_str(), new.goal_mode,
            new.goal_max_turns, new.max_retries, new.max_runtime_seconds, key, new.session_id.as_ref(), created_by,
            creator_run, now, gate.map(|gate| gate.0), gate.map(|gate| gate.1),
            new.at.filter(|_| status == Status::Scheduled); execute)
            == 0
        {
            id = TaskId::random();
        }
        if let Some(root) = &new.workspace_root {
            self.insert_workplace(&id, root).await?;
        }
        for parent in &parents {
            sql!(self, INSERT_LINK, parent, &id; execute);
        }
        if let Some(quorum) = new.quorum {
            self.set_quorum(&id, quorum, parents.len()).await?;
        }
        let mut task = Task {
            id,
            title: title.to_owned(),
            body: body.map(str::to_owned),
            assignee: new.assignee,
            status,
            priority: new.priority,
            tenant: new.tenant,
            workspace_kind,
            workspace_path,
            branch_name: new.branch,
            project_id: new.project,
            skills,
            goal_mode: new.goal_mode,
            goal_max_turns: new.goal_max_turns,
            max_retries: new.max_retries,
            max_runtime_seconds: new.max_runtime_seconds,
            idempotency_key: key.map(str::to_owned),
            session_id: new.session_id,
            workflow_template_id: None,
            current_step_key: None,
            created_by: created_by.to_owned(),
            creator_run,
            created_at: now,
            started_at: None,
            completed_at: None,
            result: None,
            current_run: None,
            failures: 0,
            last_error: None,
            block_kind: gate.map(|_| BlockKind::NeedsInput),
            block_reason: gate.map(|gate| gate.1.to_owned()),
            block_recurrences: 0,
            parents_waived: false,
            not_before: new.at.filter(|_| status == Status::Scheduled),
            max_total_seconds: None,
            max_cost: None,
            cost: Amount::default(),
            worked_ms: 0,
        };
        self.insert_budget(&mut task, new.budget).await?;
        let payload = json!({
            "assignee": task.assignee, "status": task.status, "parents": parents, "tenant": task.tenant,
            "branch_name": task.branch_name,
            "skills": if new.skills.is_empty() { None } else { Some(&new.skills) },
            "goal_mode": if task.goal_mode { Some(true) } else { None },
            "by": created_by,
        });
        let event = self.record(Kind::Created, &task, None, payload, now).await?;
        if let Some((_, reason)) = gate {
            let question = self.open_question_of(&task.id, None, Some(reason), &Ask::default(), now).await?;
            self.tell_of_question(question, event.id).await?;
        }
        if let Actor::Worker { task: parent, .. } = actor {
            self.inherit_watches(parent, &task, now).await?;
        }
        if task.status == Status::Ready {
            self.cancel_rest(&task, now).await?;
        }
        self.wakes_dispatcher();
        Ok(Created { task, existed: false })
    }
}

fn check(new: &NewTask) -> Result<(), Error> {
    let title = new.title.trim();
    if title.is_empty() {
        refuse!(Invalid, "title is required, as in `{{kanban}} create fix the login page`");
    }
    let characters = title.chars().count();
    if characters > TITLE_LIMIT {
        refuse!(
            TooMuch,
            "a title may hold {TITLE_LIMIT} characters, this one has {characters}; put the rest into `--body`"
        );
    }
    if let Some(body) = new.body.as_ref().filter(|body| body.len() > BODY_LIMIT) {
        refuse!(TooMuch, "a body may hold {BODY_LIMIT} bytes, this one has {}; attach it as a file", body.len());
    }
    if new.parents.len() > PARENT_LIMIT {
        refuse!(TooMuch, "a task may have {PARENT_LIMIT} parents, this one has {}", new.parents.len());
    }
    let counts = [
        ("--max-retries", new.max_retries, "counts the failed attempts that are allowed in all"),
        ("--max-runtime", new.max_runtime_seconds, "is a time limit in seconds"),
        ("--max-total-runtime", new.budget.total_seconds, "is a time limit in seconds"),
        ("--goal-max-turns", new.goal_max_turns, "counts turns"),
    ];
    for (flag, count, meaning) in counts {
        if let Some(count) = count.filter(|count| *count < 1) {
            refuse!(Invalid, "`{flag} {count}` cannot be: it {meaning}, so it is 1 or more");
        }
    }
    if title.contains('\0') || new.body.as_ref().is_some_and(|body| body.contains('\0')) {
        refuse!(Invalid, "a title and a body may not contain NUL characters");
    }
    Ok(())
}
