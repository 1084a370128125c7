#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rgun_fuzz::targets::tls::run(data));
