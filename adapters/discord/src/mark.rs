//! By what a post of ours is known again: the nonce for the platform, the reference for people and for a look at the
//! history. Both follow from the delivery's key alone, so they are the same in the next process.

/// The platform takes nonces of at most so many characters.
const NONCE_LIMIT: usize = 25;

/// Crockford's digits: none is mistaken for another.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The key by which the platform knows a repeated send for a few minutes ("Create Message", `enforce_nonce`).
pub(crate) fn nonce(delivery: &str) -> String {
    if (1..=NONCE_LIMIT).contains(&delivery.len()) {
        return delivery.to_owned();
    }
    let halves = [hash(delivery, 0), hash(delivery, 1)];
    halves.iter().map(|half| digits(*half, 12)).collect()
}

/// The short sign at the end of each message.
pub(crate) fn reference(delivery: &str) -> String {
    format!("#{}", digits(hash(delivery, 0), 8))
}

/// A text of ours without the reference at its end.
pub(crate) fn without_reference(text: &str) -> &str {
    let Some((before, last)) = text.rsplit_once('#') else { return text };
    let is_reference = last.len() == 8 && last.bytes().all(|digit| DIGITS.contains(&digit));
    // In markdown, the sign has a backslash before it.
    let before = before.trim_end_matches('\\');
    if is_reference { before.trim_end_matches("-# ").trim_end_matches(" · ").trim_end() } else { text }
}

fn digits(mut number: u64, count: usize) -> String {
    let mut written = String::with_capacity(count);
    for _ in 0..count {
        written.push(char::from(DIGITS[usize::try_from(number % 32).unwrap_or(0)]));
        number /= 32;
    }
    written
}

/// FNV-1a with the finish of splitmix64: stable over releases, which the standard library's hasher is not.
fn hash(text: &str, seed: u64) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{nonce, reference, without_reference};

    #[test]
    fn nonces_fit_and_differ() {
        assert_eq!(nonce("a1b2.17"), "a1b2.17");
        let long = |number: usize| format!("0123456789abcdef0123456789.{number}");
        let nonces: HashSet<String> = (0..10_000).map(|number| nonce(&long(number))).collect();
        assert_eq!(nonces.len(), 10_000);
        assert!(nonces.iter().all(|nonce| nonce.len() == 24));
    }

    #[test]
    fn references_are_left_out_again() {
        let reference = reference("a.1");
        assert_eq!(without_reference(&format!("done\n-# {reference}")), "done");
        assert_eq!(without_reference(&format!("done\n-# \\{reference}")), "done");
        assert_eq!(without_reference(&format!("done\nblocked · {reference}")), "done\nblocked");
        assert_eq!(without_reference(&reference), "");
        assert_eq!(without_reference("see #12345678 there"), "see #12345678 there");
    }

    #[test]
    fn references_differ_and_stay_the_same() {
        let references: HashSet<String> = (0..10_000).map(|number| reference(&format!("a.{number}"))).collect();
        assert_eq!(references.len(), 10_000);
        insta::assert_snapshot!(reference("a.1"), @"#hkegbybw");
    }
}
