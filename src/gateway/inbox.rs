//! The inbox: requests are kept before they are acted on, and acted on in order within a thread; no thread waits for another.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use kanban_platform::{Batch, NotKept, Position, Request, Thread};
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use super::Gateway;
use crate::board::{Board, BoardSlug, Error};

/// How many kept requests are in memory at a time, and how many of them are acted on at once.
const IN_MEMORY: usize = 1_024;
const AT_ONCE: usize = 64;

/// The wait before the inbox is read again that could not be read.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// The first wait before a request is tried again that a fault kept from being acted on; it doubles, to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

impl Gateway {
    /// Keeps what is for us, and how far the platform was read, in one transaction.
    pub(super) async fn keep_batch(&self, batch: &Batch) -> Result<(), NotKept> {
        let kept = async {
            let mut wanted: Vec<&Request> = Vec::with_capacity(batch.requests.len());
            for request in &batch.requests {
                // In a task's own thread everything is said to the task.
                if super::is_for_us(request)
                    || self.is_own_thread(&request.thread).await?
                    || self.listens(request).await?
                {
                    wanted.push(request);
                }
            }
            if wanted.is_empty() && batch.position.is_none() {
                return Ok(());
            }
            let mut tx = self.inbox().await?.write().await?;
            for request in wanted {
                tx.keep_request(request, self.desk.now()).await?;
            }
            if let Some(Position { stream, value }) = &batch.position {
                tx.set_position(&batch.platform, stream, value).await?;
            }
            tx.commit().await
        };
        match kept.await {
            Ok(()) => {
                self.kept.notify_one();
                Ok(())
            }
            Err::<(), Error>(error) => {
                if !self.desk.is_leaving(&error) {
                    tracing::error!(%error, "requests from {} could not be kept; the platform is not told that they arrived", batch.platform);
                }
                Err(NotKept(error.to_string()))
            }
        }
    }

    /// Acts on what was kept, now and by earlier processes, until shutdown; then ends what is under way.
    pub async fn work(self: Arc<Self>, shutdown: CancellationToken) {
        let mut lanes: HashMap<Thread, VecDeque<Request>> = HashMap::new();
        let mut running: JoinSet<Thread> = JoinSet::new();
        // Lanes whose first request is not under way yet.
        let mut idle: VecDeque<Thread> = VecDeque::new();
        let (mut last, mut in_memory) = (0, 0);
        loop {
            let mut is_unread = false;
            if in_memory < IN_MEMORY && !shutdown.is_cancelled() {
                match self.waiting_after(last, IN_MEMORY - in_memory).await {
                    Ok(found) => {
                        for (id, request) in found {
                            last = id;
                            let Some(request) = request else {
                                tracing::error!(
                                    inbox.id = id,
                                    "the kept request {id} cannot be read; it is left where it is"
                                );
                                continue;
                            };
                            in_memory += 1;
                            let lane = lanes.entry(request.thread.clone()).or_insert_with_key(|thread| {
                                idle.push_back(thread.clone());
                                VecDeque::new()
                            });
                            lane.push_back(request);
                        }
                    }
                    Err(error) => {
                        if !self.desk.is_leaving(&error) {
                            tracing::error!(%error, "the inbox cannot be read");
                        }
                        is_unread = true;
                    }
                }
            }
            while running.len() < AT_ONCE && !shutdown.is_cancelled() {
                let Some(thread) = idle.pop_front() else { break };
                let Some(request) = lanes.get_mut(&thread).and_then(VecDeque::pop_front) else {
                    lanes.remove(&thread);
                    continue;
                };
                let (gateway, shutdown) = (Arc::clone(&self), shutdown.clone());
                running.spawn(async move {
                    // In a task of its own, so that a request which breaks off does not hold up its thread.
                    let acting = tokio::spawn(async move { gateway.act(request, &shutdown).await });
                    if let Err(error) = acting.await {
                        tracing::error!(%error, "a request broke off; it is kept, and taken up at the next start");
                    }
                    thread
                });
            }
            if shutdown.is_cancelled() && running.is_empty() {
                return;
            }
            tokio::select! {
                Some(ended) = running.join_next() => {
                    in_memory -= 1;
                    idle.extend(ended.ok());
                }
                () = self.kept.notified() => {}
                () = sleep(READ_AGAIN), if is_unread => {}
                () = shutdown.cancelled(), if !shutdown.is_cancelled() => {}
            }
        }
    }

    /// Acts on a kept request. A fault leaves it kept, and it is tried again.
    async fn act(&self, request: Request, shutdown: &CancellationToken) {
        let mut wait = FIRST_WAIT;
        loop {
            self.take(&request).await;
            match self.settle(&request).await {
                Ok(true) => return,
                Ok(false) => {}
                // It stays kept, and the next gateway acts on it.
                Err(error) if self.desk.is_leaving(&error) => return,
                Err(error) => tracing::error!(%error, update = request.update, "the inbox cannot be written"),
            }
            tokio::select! {
                () = sleep(wait) => wait = (wait * 2).min(LONGEST_WAIT),
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Tells whether a request was acted on, on whichever board, and notes it where it was kept.
    async fn settle(&self, request: &Request) -> Result<bool, Error> {
        let update = super::update_of(request);
        let inbox = self.inbox().await?;
        if inbox.read().await?.receipt(&update.platform, &update.id).await?.is_some() {
            return Ok(true);
        }
        let Some(receipt) = self.desk.receipt(&update).await? else { return Ok(false) };
        let mut tx = inbox.write().await?;
        tx.settle_request(&update.platform, &update.id, &serde_json::to_string(&receipt)?).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn waiting_after(&self, last: i64, count: usize) -> Result<Vec<(i64, Option<Request>)>, Error> {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.inbox().await?.read().await?.waiting_requests(last, count).await
    }

    /// Requests name no board until they are read, so they are kept on the default one.
    pub(super) async fn inbox(&self) -> Result<Board, Error> {
        self.desk.boards.get(&BoardSlug::default()).await
    }
}
