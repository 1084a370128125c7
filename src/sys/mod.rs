//! The operating system: the only raw libc calls, the only fork.

pub mod beneath;
mod cgroup;
pub mod clock;
pub mod command;
pub mod cpus;
pub mod crash_return;
pub mod daemon;
mod dead_socket;
mod descriptor;
mod descriptor_limit;
mod document;
pub mod epoll;
mod error;
mod files;
mod forked;
mod identity;
mod inherited;
pub mod inotify;
pub mod kernel;
mod listener;
mod local_time;
mod lookup;
mod mem_file;
mod memory;
mod notify;
mod output;
mod packets;
mod pid;
mod pipe;
mod place;
mod poll;
mod port_holder;
pub mod process;
mod random;
mod remote;
mod signal_notes;
pub mod signals;
pub mod stream;
mod successor;
mod tcp;
pub mod terminal;
mod title;
mod turn;
mod unix;
mod unsized_file;

pub use cgroup::{GroupMemory, OutOfMemory};
pub use dead_socket::remove_dead_socket;
pub use descriptor::duplicate;
pub use descriptor_limit::{raise_descriptor_limit, restore_descriptor_limit};
pub use document::Document;
pub use error::{Error, Result};
pub use files::{
    directory_of, may_append, may_write, name_of, open_at_once, temporary_directory, unnamed_file,
};
pub use forked::{is_forked_child, watch_forks};
pub use identity::{Identity, Supplementary, effective_user};
pub use inherited::{Passed, passed_descriptors, take_listener};
pub use listener::{Audience, Listener, ListenerAddress, Protection};
pub use local_time::{
    LocalTime, format_time, keep_zone, local_time, unix_millis, unix_seconds, utc,
};
pub use lookup::{Lookup, LookupEvent};
pub use mem_file::MemFile;
pub use memory::{share_arenas, shared_words, shared_words_of, trim};
pub use notify::NotifySocket;
pub use output::{ATOMIC, Output, end_of_piece};
pub use packets::{
    Packet, PacketRead, Sent, packet_pair, read_packet_with, receive_packet, receive_packet_with,
    send_packet, send_packet_with,
};
pub use pid::Pid;
pub use pipe::{pipe, pipe_from_program};
pub use place::{DirectoryEntry, LastLink, read as read_guarded};
pub use poll::{PollInterest, wait_for, wait_readable, wait_writable};
pub use random::random;
pub use remote::Remote;
pub use signal_notes::SignalNotes;
pub use successor::{close_inherited, replace_program};
pub use tcp::{
    AnyIpv6, Others, accept_queue, drop_new_connections, last_data_received, listen_tcp,
    share_port, try_tcp,
};
pub use title::set_title;
pub use turn::Turn;
pub use unix::{Predecessor, SocketFile, WhenLocked, connect_unix, listen_unix, peer, try_unix};
pub use unsized_file::unsized_content;
pub mod thread;

pub use clock::monotonic_ms;
pub use thread::{exit_now, with_signals_blocked};
