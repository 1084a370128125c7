#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rgun_fuzz::targets::files::run(data));
