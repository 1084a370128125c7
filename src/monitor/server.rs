//! The monitor's server: accepts, bounds how many clients there are and how long each may take, and ends with the master.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::unix::pipe::Receiver;
use tokio::task::{AbortHandle, LocalSet, spawn_local, yield_now};
use tokio::time::{Instant, sleep, sleep_until};

use super::MonitorInit;
use super::flow::{ClientFlow, MonitorStream};
use super::listener::MonitorListener;
use super::response::{Answers, is_costly};
use crate::ipc::Board;
use crate::sys::{clock, stream};

/// The most clients; the oldest connection is closed when another one comes.
const MOST: usize = 64;
/// The longest time without progress: a client that sends nothing, or reads nothing. Also for the whole head of a request.
const PATIENCE: Duration = Duration::from_secs(30);
const LONGEST_HEAD: usize = 16 * 1024;
const MOST_FIELDS: usize = 64;
/// Connections accepted in one turn: they come before the clients, and one that opens them without end must not keep others from their turn.
const ACCEPTED_A_TURN: usize = 16;
/// How often one client gets what is costly to gather.
const COSTLY_EVERY: Duration = Duration::from_millis(100);
/// How long to wait for a free descriptor.
const RECOVERY: Duration = Duration::from_millis(100);
/// How often the master is shown that the loop turns.
const BEAT: Duration = Duration::from_secs(1);

/// Runs until the master is gone.
///
/// # Errors
/// The system's.
pub fn run(post: MonitorInit) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    LocalSet::new().block_on(&runtime, serve(post))
}

async fn serve(post: MonitorInit) -> io::Result<()> {
    let MonitorInit {
        listeners,
        lifeline,
        board,
        app,
        addresses,
        certificates,
        companions,
    } = post;
    let mut listeners: VecDeque<MonitorListener> = listeners
        .into_iter()
        .map(MonitorListener::open)
        .collect::<io::Result<_>>()?;
    // Not made non-blocking: workers share the pipe, and here it is only polled.
    let master = Receiver::from_owned_fd_unchecked(lifeline)?;
    let answers = Rc::new(RefCell::new(Answers::new(
        board,
        app,
        addresses,
        [certificates, companions],
    )));
    spawn_local(beat(board));
    let mut clients: VecDeque<AbortHandle> = VecDeque::new();
    let mut accepted_now = 0;
    while let Some(accepted) = accept(&listeners, &master).await? {
        clients.retain(|client| !client.is_finished());
        match accepted {
            Ok(connection) => {
                if clients.len() >= MOST {
                    clients.pop_front().inspect(AbortHandle::abort);
                }
                let client = converse(connection, Rc::clone(&answers));
                clients.push_back(spawn_local(client).abort_handle());
            }
            // Without descriptors the same connection would be offered for ever: one of ours is closed for it.
            Err(error) if matches!(error.raw_os_error(), Some(stream::EMFILE | stream::ENFILE)) => {
                match clients.pop_front() {
                    Some(oldest) => oldest.abort(),
                    None => sleep(RECOVERY).await,
                }
            }
            // The client has closed the connection again.
            Err(_) => {}
        }
        // The next address is served first, and before many others the existing clients.
        listeners.rotate_left(1);
        accepted_now += 1;
        if accepted_now == ACCEPTED_A_TURN {
            accepted_now = 0;
            yield_now().await;
        }
    }
    Ok(())
}

/// A task like those of the clients: it shows that they get their turns.
async fn beat(board: Board) {
    while let Some(beat) = board.monitor_beat() {
        beat.set(clock::monotonic_ms());
        sleep(BEAT).await;
    }
}

/// The next connection, or why there is none; `None`: the master is gone.
async fn accept(
    listeners: &VecDeque<MonitorListener>,
    master: &Receiver,
) -> io::Result<Option<io::Result<OwnedFd>>> {
    poll_fn(|cx| {
        // The master never writes to it.
        if master.poll_read_ready(cx)?.is_ready() {
            return Poll::Ready(Ok(None));
        }
        for listener in listeners {
            if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                return Poll::Ready(Ok(Some(accepted)));
            }
        }
        Poll::Pending
    })
    .await
}

/// One client, until it closes, is silent for too long, or sends what is not HTTP.
async fn converse(connection: OwnedFd, answers: Rc<RefCell<Answers>>) {
    let flow = Rc::new(ClientFlow::begin());
    let Ok(stream) = MonitorStream::new(connection, Rc::clone(&flow)) else {
        return;
    };
    let costly_from = Rc::new(Cell::new(Instant::now()));
    let service = service_fn(|request| {
        let (flow, answers) = (Rc::clone(&flow), Rc::clone(&answers));
        let costly_from = Rc::clone(&costly_from);
        async move {
            // One response a turn, and none while the last one is unread: a client that sends requests without end delays no other
            // client and fills no memory.
            yield_now().await;
            flow.writable().await;
            if is_costly(&request) {
                sleep_until(costly_from.get()).await;
                costly_from.set(Instant::now() + COSTLY_EVERY);
            }
            Ok::<_, Infallible>(answers.borrow_mut().answer(&request))
        }
    });
    let mut conversation = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .max_buf_size(LONGEST_HEAD)
            .max_headers(MOST_FIELDS)
            .half_close(true)
            .serve_connection(TokioIo::new(stream), service)
    );
    let mut silence = pin!(flow.silent_for(PATIENCE));
    poll_fn(|cx| {
        // An error is a client that has closed, or one that got its 400.
        let is_over =
            conversation.as_mut().poll(cx).is_ready() || silence.as_mut().poll(cx).is_ready();
        if is_over {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}
