//! Owns the entry of the fuzzer: what is looked at is `faregate::fuzzing::bearer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| faregate::fuzzing::bearer(input));
