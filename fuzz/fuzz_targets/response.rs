#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rgun_fuzz::targets::response::run(data));
