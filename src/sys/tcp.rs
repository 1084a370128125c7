//! TCP listeners, and what the kernel knows of a connection. `accept` is in `stream.rs`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use super::port_holder::{PortHolder, holder_of};
use super::{Audience, Error, Listener, ListenerAddress, Protection, Result};

/// Whether others may listen at the same address (`SO_REUSEPORT`): the kernel then chooses for each connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    Allowed,
    Refused,
}

/// What a listener on `[::]` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnyIpv6 {
    /// IPv4 as well, as every server does that leaves the kernel's default alone (`net.ipv6.bindv6only`).
    WithIpv4,
    /// IPv6 alone (`IPV6_V6ONLY`), so that `0.0.0.0:8000` can stand beside it.
    Alone,
}

/// Listens on a literal address, or on every address that a host name has (an empty one: on all of IPv4).
///
/// Of a name's addresses those that this machine does not have are left out. Port 0: the kernel chooses, one port for all.
pub fn listen_tcp(
    host: &str,
    port: u16,
    backlog: u32,
    others: Others,
    any: AnyIpv6,
) -> Result<Vec<Listener>> {
    at_each_address(host, port, |address| {
        listen_at(address, backlog, others, any)
    })
}

/// Whether `listen_tcp` would find the addresses and be allowed to bind. One that is in use counts as free: most often the server
/// that is about to be restarted or reloaded has it.
pub fn try_tcp(host: &str, port: u16, any: AnyIpv6) -> Result<()> {
    match at_each_address(host, port, |address| bind_at(address, Others::Refused, any)) {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn at_each_address(
    host: &str,
    port: u16,
    open: impl Fn(SocketAddr) -> Result<Listener>,
) -> Result<Vec<Listener>> {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    if bare.is_empty() {
        return open(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port)).map(|one| vec![one]);
    }
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return open(SocketAddr::new(ip, port)).map(|one| vec![one]);
    }
    // Also the literal with a zone (`fe80::1%eth0`), which only the resolver understands.
    let mut addresses: Vec<SocketAddr> = (bare, port)
        .to_socket_addrs()
        .map_err(|e| unresolved(bare, port, &e))?
        .collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    addresses.dedup();
    let mut listeners: Vec<Listener> = Vec::new();
    let mut missing = None;
    for mut address in addresses {
        if let Some(ListenerAddress::Tcp(first)) = listeners.first().map(|one| &one.address) {
            address.set_port(first.port());
        }
        match open(address) {
            Ok(one) => listeners.push(one),
            Err(e) if is_absent(&e.source) => missing = Some(e),
            Err(e) => return Err(e),
        }
    }
    match missing {
        Some(e) if listeners.is_empty() => Err(e),
        _ if listeners.is_empty() => Err(unresolved(
            bare,
            port,
            &io::Error::other("the name has no address"),
        )),
        _ => Ok(listeners),
    }
}

fn unresolved(host: &str, port: u16, reason: &io::Error) -> Error {
    // The resolver's errors read "failed to lookup address information: Name or service not known".
    let text = reason.to_string();
    let text = text.rsplit(": ").next().unwrap_or(&text).to_owned();
    Error::new(
        "resolve",
        format_args!("{host}:{port}"),
        io::Error::other(text),
    )
}

/// An address of a family or an interface that this machine lacks.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT)
    )
}

fn listen_at(address: SocketAddr, backlog: u32, others: Others, any: AnyIpv6) -> Result<Listener> {
    let listener = bind_at(address, others, any)?;
    match (listener.listen(backlog), &listener.address) {
        (Ok(()), _) => Ok(listener),
        (Err(e), ListenerAddress::Tcp(address)) => Err(explained(e, *address)),
        (Err(e), ListenerAddress::Unix(_)) => Err(e),
    }
}

/// One more socket at the address of a listener that was opened with `Others::Allowed`; it gets no connections before it listens.
pub fn share_port(listener: &Listener, address: SocketAddr) -> Result<Listener> {
    let any = match SockRef::from(&listener.fd).only_v6() {
        Ok(true) => AnyIpv6::Alone,
        // Or an IPv4 socket, which has no such option.
        Ok(false) | Err(_) => AnyIpv6::WithIpv4,
    };
    let shared = bind_at(address, Others::Allowed, any)?;
    Ok(Listener {
        protection: listener.protection,
        ..shared
    })
}

fn bind_at(address: SocketAddr, others: Others, any: AnyIpv6) -> Result<Listener> {
    let failed = |call| move |e: io::Error| Error::new(call, address, e);
    let kind = Type::STREAM.nonblocking().cloexec();
    let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))
        .map_err(failed("socket"))?;
    // A restarted server binds while connections of the one before are in TIME_WAIT.
    socket
        .set_reuse_address(true)
        .map_err(failed("setsockopt"))?;
    if others == Others::Allowed {
        socket.set_reuse_port(true).map_err(failed("setsockopt"))?;
    }
    // An address of an interface is never IPv4's.
    if address.is_ipv6() && any == AnyIpv6::Alone {
        socket.set_only_v6(true).map_err(failed("setsockopt"))?;
    }
    // Inherited by every accepted socket, which saves them a call each.
    socket.set_tcp_nodelay(true).map_err(failed("setsockopt"))?;
    socket
        .bind(&SockAddr::from(address))
        .map_err(|e| explained(Error::new("bind", address, e), address))?;
    let chosen = socket
        .local_addr()
        .map_err(failed("getsockname"))?
        .as_socket()
        .unwrap_or(address);
    Ok(Listener {
        fd: socket.into(),
        address: ListenerAddress::Tcp(chosen),
        protection: Protection::None,
        audience: Audience::Everybody,
    })
}

fn explained(error: Error, address: SocketAddr) -> Error {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            let port = address.port();
            error.with_hint(match holder_of(port) {
                Some(PortHolder::ThisProcess) => {
                    "this server has opened it already, for another of its addresses".to_owned()
                }
                Some(PortHolder::Other(holder)) => format!("{holder} listens there"),
                None => format!(
                    "another process listens there; `ss -ltnp 'sport = :{port}'` shows which"
                ),
            })
        }
        io::ErrorKind::PermissionDenied => {
            error.with_hint("ports below 1024 need root, CAP_NET_BIND_SERVICE or socket activation")
        }
        io::ErrorKind::AddrNotAvailable => {
            error.with_hint("no interface of this machine has that address")
        }
        _ => error,
    }
}

/// From here on the kernel drops the first packet of each new connection: the client retries a second later, and is then refused
/// by a closed port. A connection that is begun between the last `accept` and the `close` would be reset instead.
///
/// Only for a socket that no process goes on using: the filter belongs to the socket, not to the descriptor.
///
/// # Errors
/// Where the kernel takes no filter.
pub fn drop_new_connections(listener: &Listener) -> io::Result<()> {
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    const SYN_AND_ACK: u32 = 0x12;
    let step = |code: u32, jt, jf, k| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    // The packet begins with TCP's header. All but first packets pass.
    let mut program = [
        step(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, 0, 0, FLAGS),
        step(
            libc::BPF_ALU | libc::BPF_AND | libc::BPF_K,
            0,
            0,
            SYN_AND_ACK,
        ),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, SYN),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, u32::MAX),
    ];
    let program = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: `program` points at that many instructions, which the kernel copies.
    let code = unsafe {
        libc::setsockopt(
            listener.fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    };
    if code == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// How many connections wait to be accepted, and how many may; `None` for other sockets than TCP's.
pub fn accept_queue(listener: &Listener) -> Option<(u32, u32)> {
    match listener.address {
        // tcp(7) does not document it, but `ss -lt` shows the same: a listener has its queue in these two.
        ListenerAddress::Tcp(_) => {
            info(listener.fd.as_fd()).map(|info| (info.tcpi_unacked, info.tcpi_sacked))
        }
        ListenerAddress::Unix(_) => None,
    }
}

/// How long ago the last bytes came in (`tcpi_last_data_recv`): right after accept, the time a request that was sent at
/// once has waited in the accept queue. `None` for other sockets than TCP's.
pub fn last_data_received(connection: BorrowedFd<'_>) -> Option<Duration> {
    info(connection).map(|info| Duration::from_millis(info.tcpi_last_data_recv.into()))
}

fn info(socket: BorrowedFd<'_>) -> Option<libc::tcp_info> {
    // SAFETY: all-zero is a valid tcp_info: integers only.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: `info` has `length` bytes; the kernel writes no more and returns how many in `length`.
    let code = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        )
    };
    (code == 0).then_some(info)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpStream;

    use super::*;
    use crate::sys::stream::accept;

    fn port(listener: &Listener) -> u16 {
        listener.address.server().1.expect("TCP has a port")
    }

    #[test]
    fn port_zero_is_replaced_by_the_chosen_one_and_connections_arrive() {
        let listeners =
            listen_tcp("127.0.0.1", 0, 16, Others::Refused, AnyIpv6::Alone).expect("a free port");
        let [listener] = listeners.as_slice() else {
            panic!("one address, one listener")
        };
        assert_ne!(port(listener), 0);
        assert_eq!(
            accept(listener.as_fd()).expect_err("no client yet").kind(),
            io::ErrorKind::WouldBlock
        );
        assert_eq!(accept_queue(listener), Some((0, 16)));
        let mut client = TcpStream::connect(("127.0.0.1", port(listener))).expect("it listens");
        client.write_all(b"x").expect("a small write");
        super::super::wait_readable(&[listener.as_fd()], None).expect("poll");
        assert_eq!(accept_queue(listener), Some((1, 16)));
        let (connection, peer) = accept(listener.as_fd()).expect("a connection");
        assert_eq!(peer, client.local_addr().ok());
        assert!(last_data_received(connection.as_fd()).expect("TCP") < Duration::from_secs(60));
        // Inherited from the listener.
        assert!(
            socket2::SockRef::from(&connection)
                .tcp_nodelay()
                .expect("getsockopt")
        );
    }

    #[test]
    fn a_port_in_use_is_named_with_a_hint() {
        let taken =
            listen_tcp("127.0.0.1", 0, 16, Others::Refused, AnyIpv6::Alone).expect("a free port");
        let port = port(&taken[0]);
        let error =
            listen_tcp("127.0.0.1", port, 16, Others::Refused, AnyIpv6::Alone).expect_err("taken");
        assert_eq!(
            error.to_string(),
            format!("bind 127.0.0.1:{port}: address already in use")
        );
        assert!(error.hint.expect("a hint").contains("this server has"));
    }

    #[test]
    fn v4_and_v6_stand_side_by_side_where_both_are_wanted() {
        let both = |_| {
            let six = listen_tcp("[::]", 0, 16, Others::Refused, AnyIpv6::Alone).ok()?;
            let four = listen_tcp(
                "0.0.0.0",
                port(&six[0]),
                16,
                Others::Refused,
                AnyIpv6::Alone,
            )
            .ok()?;
            Some((six, four))
        };
        if listen_tcp("[::]", 0, 16, Others::Refused, AnyIpv6::Alone).is_err() {
            return; // a machine without IPv6
        }
        // Another process may have the same port of IPv4, but not twenty times.
        let (six, four) = (0..20).find_map(both).expect("V6ONLY leaves IPv4 free");
        assert!(six[0].to_string().starts_with("http://[::]:"));
        assert!(four[0].to_string().starts_with("http://0.0.0.0:"));
    }

    #[test]
    fn any_ipv6_alone_takes_ipv4_too() {
        let Ok(any) = listen_tcp("[::]", 0, 16, Others::Refused, AnyIpv6::WithIpv4) else {
            return; // a machine without IPv6
        };
        if std::fs::read_to_string("/proc/sys/net/ipv6/bindv6only").is_ok_and(|on| on.trim() == "1")
        {
            return; // a machine that is configured otherwise
        }
        TcpStream::connect(("127.0.0.1", port(&any[0]))).expect("IPv4 reaches it");
    }

    #[test]
    fn newcomers_are_turned_away_and_who_was_there_is_served() {
        let listeners = listen_tcp("127.0.0.1", 0, 16, Others::Refused, AnyIpv6::WithIpv4)
            .expect("a free port");
        let address = SocketAddr::from(([127, 0, 0, 1], port(&listeners[0])));
        let mut early = TcpStream::connect(address).expect("it listens");
        if drop_new_connections(&listeners[0]).is_err() {
            return; // a kernel without filters
        }
        let late = TcpStream::connect_timeout(&address, Duration::from_millis(200));
        assert_eq!(late.expect_err("dropped").kind(), io::ErrorKind::TimedOut);
        early.write_all(b"x").expect("a small write");
        let (connection, _) = accept(listeners[0].as_fd()).expect("the early one");
        super::super::wait_readable(&[connection.as_fd()], None).expect("poll");
        let late = accept(listeners[0].as_fd()).expect_err("no other client");
        assert_eq!(late.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_name_means_all_its_addresses_on_one_port() {
        let listeners = listen_tcp("localhost", 0, 16, Others::Refused, AnyIpv6::Alone)
            .expect("localhost resolves");
        assert!(listeners.iter().all(|one| port(one) == port(&listeners[0])));
    }

    #[test]
    fn an_unknown_name_and_a_foreign_address_are_errors() {
        let error = listen_tcp(
            "no-such-host.invalid",
            80,
            16,
            Others::Refused,
            AnyIpv6::Alone,
        )
        .expect_err(".invalid never resolves");
        assert!(
            error
                .to_string()
                .starts_with("resolve no-such-host.invalid:80: "),
            "{error}"
        );
        let error = listen_tcp("192.0.2.1", 0, 16, Others::Refused, AnyIpv6::Alone)
            .expect_err("a documentation address");
        assert!(error.hint.is_some(), "{error}");
    }
}
