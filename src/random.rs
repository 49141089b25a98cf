//! Random bytes from the operating system.

/// Answers `N` unpredictable bytes.
///
/// # Panics
/// If the operating system has no randomness: nothing that this program promises would hold then.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system provides random bytes");
    bytes
}

/// Answers `N` unpredictable bytes as lower-case hexadecimal digits.
pub fn hex<const N: usize>() -> String {
    hex_of(&bytes::<N>())
}

/// Writes bytes as lower-case hexadecimal digits.
pub fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
        text
    })
}
