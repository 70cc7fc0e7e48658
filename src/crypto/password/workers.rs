//! Worker threads for hashing: a bounded number, with a fair queue and reused memory.

use std::{
    collections::{HashMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use super::memory::Memory;
use crate::measure;

/// A unit of work that runs on a worker with the memory of that worker.
pub(super) trait Job: Send {
    fn run(self: Box<Self>, memory: &mut Memory);

    /// Returns `true` if the caller no longer waits for the result.
    fn is_abandoned(&self) -> bool;
}

/// A pool of worker threads. They start on demand, and end and free their memory after an idle
/// time. Callers take turns, with one job each.
#[derive(Clone)]
pub(super) struct Workers(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    work: Condvar,
    most: usize,
    places: usize,
    keep: usize,
    idle: Duration,
}

#[derive(Default)]
struct State {
    queues: HashMap<u64, VecDeque<Box<dyn Job>>>,
    turns: VecDeque<u64>,
    waiting: usize,
    running: usize,
    threads: usize,
    /// Threads that wait for work.
    resting: usize,
    handles: usize,
}

impl Workers {
    /// Creates a pool of at most `most` threads with room for `queue` waiting jobs. Each thread
    /// retains at most `keep` blocks of memory between jobs.
    pub(super) fn new(most: usize, queue: usize, keep: usize, idle: Duration) -> Self {
        let state = Mutex::new(State { handles: 1, ..State::default() });
        let (work, places) = (Condvar::new(), most + queue);
        Self(Arc::new(Shared { state, work, most, places, keep, idle }))
    }

    /// Queues a job in the turn of `whose`. Returns `false` if the queue is full.
    pub(super) fn push(&self, whose: u64, job: Box<dyn Job>) -> bool {
        let mut state = self.0.state();
        if state.waiting + state.running >= self.0.places {
            state.forget_abandoned();
        }
        if state.waiting + state.running >= self.0.places {
            return false;
        }
        let queue = state.queues.entry(whose).or_default();
        let is_first = queue.is_empty();
        queue.push_back(job);
        if is_first {
            state.turns.push_back(whose);
        }
        let waiting = state.waiting + 1;
        state.set_waiting(waiting);
        if state.resting < state.waiting && state.threads < self.0.most {
            let shared = Arc::clone(&self.0);
            let began = thread::Builder::new().name("authlayer-hash".to_owned()).spawn(move || {
                yield_to_others();
                shared.work();
            });
            if began.is_ok() {
                state.threads += 1;
            } else if state.threads == 0 {
                // No thread would run the job.
                state.forget_all();
                return false;
            }
        }
        drop(state);
        self.0.work.notify_one();
        true
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> (usize, usize, usize) {
        let state = self.0.state();
        (state.threads, state.waiting, state.running)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut memory = Memory::default();
        while let Some(job) = self.next() {
            // A panicking job drops its sender, which its caller sees.
            let _panicked = catch_unwind(AssertUnwindSafe(|| job.run(&mut memory)));
            memory.keep_at_most(self.keep);
            self.state().running -= 1;
        }
        drop(memory);
        self.state().threads -= 1;
        // A job may have been queued in the meantime.
        self.work.notify_one();
    }

    /// Waits for a job. Returns `None` if the thread should end.
    fn next(&self) -> Option<Box<dyn Job>> {
        let mut state = self.state();
        let mut is_late = false;
        loop {
            if let Some(job) = state.take() {
                state.running += 1;
                return Some(job);
            }
            if state.handles == 0 || is_late {
                return None;
            }
            state.resting += 1;
            let waited = self.work.wait_timeout(state, self.idle);
            let (next, outcome) = waited.unwrap_or_else(PoisonError::into_inner);
            state = next;
            state.resting -= 1;
            is_late = outcome.timed_out();
        }
    }
}

impl State {
    /// Takes the next job, in turn, whose caller still waits.
    fn take(&mut self) -> Option<Box<dyn Job>> {
        while let Some(whose) = self.turns.pop_front() {
            let Some(queue) = self.queues.get_mut(&whose) else { continue };
            let job = queue.pop_front();
            if queue.is_empty() {
                self.queues.remove(&whose);
            } else {
                self.turns.push_back(whose);
            }
            let Some(job) = job else { continue };
            let waiting = self.waiting - 1;
            self.set_waiting(waiting);
            if !job.is_abandoned() {
                return Some(job);
            }
        }
        None
    }

    /// Removes the jobs whose callers have gone, to make room.
    fn forget_abandoned(&mut self) {
        self.queues.values_mut().for_each(|queue| queue.retain(|job| !job.is_abandoned()));
        self.queues.retain(|_, queue| !queue.is_empty());
        let queues = &self.queues;
        self.turns.retain(|whose| queues.contains_key(whose));
        let waiting = self.queues.values().map(VecDeque::len).sum();
        self.set_waiting(waiting);
    }

    fn forget_all(&mut self) {
        self.queues.clear();
        self.turns.clear();
        self.set_waiting(0);
    }

    fn set_waiting(&mut self, waiting: usize) {
        let change = waiting.checked_signed_diff(self.waiting);
        let change = change.and_then(|change| i32::try_from(change).ok());
        measure::hashes_waiting(change.unwrap_or_default());
        self.waiting = waiting;
    }
}

/// Ends the threads on drop, once the queue is empty.
pub(super) struct Handle(pub(super) Workers);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.0.state().handles = 0;
        self.0.0.work.notify_all();
    }
}

/// Lowers the priority of this thread below that of request handling.
#[cfg(target_os = "linux")]
fn yield_to_others() {
    let thread = Some(rustix::thread::gettid());
    // If this is not permitted, hashing runs at normal priority.
    let Ok(own) = rustix::process::getpriority_process(thread) else { return };
    let _refused = rustix::process::setpriority_process(thread, own.saturating_add(NICE).min(19));
}

/// The difference to the priority of the process. On a core that is always busy, a thread gets a
/// quarter of the time with 5, and a tenth with 10: a sign-in would take ten times as long.
#[cfg(target_os = "linux")]
const NICE: i32 = 5;

#[cfg(not(target_os = "linux"))]
fn yield_to_others() {}
