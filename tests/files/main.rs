//! The `files` module from outside, a file for each section of RFC 9110 that it implements, and the way from a path to a file.

mod section_12_5_3_accept_encoding;
mod section_13_conditional_requests;
mod section_14_range_requests;
mod section_8_8_validators;

mod resolution;
