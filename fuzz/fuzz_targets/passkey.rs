//! Owns the entry of the fuzzer: what is looked at is `faregate::fuzzing::passkey`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| faregate::fuzzing::passkey(input));
