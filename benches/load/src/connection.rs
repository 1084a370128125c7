//! One client connection: connect, write, read, and again. Decides nothing about when to begin or end a request.

use std::io::{self, ErrorKind::WouldBlock, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Socket, Type};

use crate::args::Args;
use crate::response::{Progress, Response};
use crate::websocket::Echo;

enum State {
    Writing {
        at: usize,
    },
    Reading,
    /// The response is complete; the server is to close.
    Closing,
}

/// What an event led to.
#[derive(Default)]
pub struct Outcome {
    /// The response is complete.
    pub answered: bool,
    /// The server has closed, after it had answered.
    pub closed: bool,
    /// The WebSocket's handshake is complete.
    pub opened: bool,
}

pub struct Connection {
    stream: TcpStream,
    state: State,
    response: Response,
    /// In place of `response` on a WebSocket.
    echo: Option<Echo>,
    /// The one request says that the server is to close; not every server repeats it in the response.
    close: bool,
    /// When the request began, its connecting included; in `Closing`, when the response was complete.
    pub since: Instant,
}

impl Connection {
    /// Begins to connect. Each of a few loopback source addresses has ports of its own, so that they do not run out.
    pub fn open(
        args: &Args,
        serial: u64,
        token: Token,
        registry: &Registry,
    ) -> io::Result<Connection> {
        let address = args.address;
        let since = Instant::now();
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if let SocketAddr::V4(v4) = address
            && v4.ip().is_loopback()
        {
            let source = Ipv4Addr::new(127, 0, 1, (serial % 16) as u8 + 1);
            socket.bind(&SocketAddr::from((source, 0)).into())?;
        }
        match socket.connect(&address.into()) {
            Err(e) if e.raw_os_error() != Some(115) => return Err(e), // EINPROGRESS
            _ => {}
        }
        let mut stream = TcpStream::from_std(socket.into());
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        let state = State::Writing { at: 0 };
        Ok(Connection {
            stream,
            state,
            response: Response::new(),
            echo: args.websocket.then(|| Echo::new(&args.expect)),
            close: args.close,
            since,
        })
    }

    /// Sends the next request on an open connection.
    pub fn again(&mut self, args: &Args, now: Instant) -> Result<(), String> {
        self.since = now;
        self.response = Response::new();
        self.state = State::Writing { at: 0 };
        self.write(args)
    }

    /// Waits for the server's close and takes no request.
    pub fn is_closing(&self) -> bool {
        matches!(self.state, State::Closing)
    }

    pub fn ready(
        &mut self,
        event: &Event,
        args: &Args,
        buffer: &mut [u8],
    ) -> Result<Outcome, String> {
        if event.is_writable() && matches!(self.state, State::Writing { .. }) {
            if let Some(e) = self.stream.take_error().map_err(|e| e.to_string())? {
                return Err(format!("connect: {e}"));
            }
            self.write(args)?;
        }
        self.read(event.is_read_closed(), &args.expect, buffer)
    }

    fn write(&mut self, args: &Args) -> Result<(), String> {
        let request = match &self.echo {
            Some(echo) if echo.open => &args.message,
            _ => &args.request,
        };
        let State::Writing { at } = &mut self.state else {
            return Ok(());
        };
        while *at < request.len() {
            match self.stream.write(&request[*at..]) {
                Ok(written) => *at += written,
                Err(e) if e.kind() == WouldBlock || e.kind() == io::ErrorKind::NotConnected => {
                    return Ok(());
                }
                Err(e) => return Err(format!("write: {e}")),
            }
        }
        self.state = State::Reading;
        Ok(())
    }

    fn read(
        &mut self,
        to_the_end: bool,
        expect: &[u8],
        buffer: &mut [u8],
    ) -> Result<Outcome, String> {
        let mut outcome = Outcome::default();
        loop {
            let read = match self.stream.read(buffer) {
                Ok(read) => read,
                Err(e) if e.kind() == WouldBlock || e.kind() == io::ErrorKind::NotConnected => {
                    return Ok(outcome);
                }
                // Everything was answered; how the server lets go of the connection is its own affair.
                Err(_) if self.is_closing() => {
                    return Ok(Outcome {
                        closed: true,
                        ..outcome
                    });
                }
                Err(e) => return Err(format!("read: {e}")),
            };
            if self.is_closing() {
                return if read == 0 {
                    Ok(Outcome {
                        closed: true,
                        ..outcome
                    })
                } else {
                    Err("bytes after the response".into())
                };
            }
            let progress = match (&mut self.echo, read) {
                (Some(_), 0) => return Err("the WebSocket was closed".into()),
                (Some(echo), _) => {
                    let was_open = echo.open;
                    let progress = echo.feed(&buffer[..read])?;
                    if progress != Progress::More && !was_open {
                        return Ok(Outcome {
                            opened: true,
                            ..outcome
                        });
                    }
                    progress
                }
                (None, 0) => self.response.end(expect)?,
                (None, _) => self.response.feed(&buffer[..read], expect)?,
            };
            match progress {
                // The epoll is edge-triggered: a short read shows that the socket is empty (epoll(7)), unless the
                // event also announced the end.
                Progress::More if read < buffer.len() && !to_the_end => return Ok(outcome),
                Progress::More => {}
                Progress::Done { .. } if !matches!(self.state, State::Reading) => {
                    return Err("answered before the request was sent".into());
                }
                Progress::Done { close: false } if !self.close => {
                    return Ok(Outcome {
                        answered: true,
                        ..outcome
                    });
                }
                Progress::Done { .. } => {
                    // The end of file may have come with the same event: read on until the socket is empty.
                    self.state = State::Closing;
                    outcome.answered = true;
                }
            }
        }
    }
}
