//! Discord's ids, which carry the time at which they were given out ("Snowflakes" in its API reference).

/// 2015-01-01, from which the ids count.
const EPOCH: i64 = 1_420_070_400_000;

/// The smallest id that was given out at this time, in unix milliseconds, or later.
pub(crate) fn at(millis: i64) -> u64 {
    u64::try_from(millis - EPOCH).unwrap_or(0) << 22
}

#[cfg(test)]
mod tests {
    use super::at;

    #[test]
    fn the_example_of_the_api_reference() {
        let id = 175_928_847_299_117_063;
        assert!(at(1_462_015_105_796) <= id && id < at(1_462_015_105_797));
        assert_eq!(at(0), 0);
    }
}
