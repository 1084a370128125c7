//! Connections without sockets: a world in memory on a clock of its own, stories in it, and random histories under laws.

mod compression;
mod histories;
mod reading;
mod stories;
mod world;
