//! An amount of money, or of whatever else people count costs in: exact to the millionth, never negative.

use std::{fmt, str::FromStr};

/// Millionths of the unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct Amount(i64);

impl Amount {
    const UNIT: i64 = 1_000_000;
    const DECIMALS: usize = 6;
    /// A million units: more is a mistake, and sums of these never overflow.
    pub const MOST: Self = Self(1_000_000 * Self::UNIT);
    pub const ONE: Self = Self(Self::UNIT);

    pub(crate) fn millionths(self) -> i64 {
        self.0
    }

    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum, as far as an amount reaches.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl FromStr for Amount {
    type Err = String;

    /// Reads `12`, `0.5` or `.5`: digits with at most six decimals.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let refused = |why: &str| Err(format!("`{text}` is no amount: {why}; expected one such as `0.25` or `12`"));
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        if text.starts_with('-') {
            return refused("it is below zero");
        }
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(decimals) || (whole.is_empty() && decimals.is_empty()) {
            return refused("it is not written in digits with one point");
        }
        if decimals.trim_end_matches('0').len() > Self::DECIMALS {
            return refused("it has more than six decimals");
        }
        let whole = whole.trim_start_matches('0');
        let millionths = format!("{decimals:0<6}");
        let amount = if whole.len() > 7 { None } else { format!("{whole}{}", &millionths[..6]).parse().ok() };
        match amount.map(Self).filter(|amount| *amount <= Self::MOST) {
            Some(amount) => Ok(amount),
            None => refused("it is more than a million"),
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = format!("{:06}", self.0 % Self::UNIT);
        match decimals.trim_end_matches('0') {
            "" => write!(f, "{}", self.0 / Self::UNIT),
            decimals => write!(f, "{}.{decimals}", self.0 / Self::UNIT),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_are_exact_and_never_negative() {
        for (text, read) in [("0.1", "0.1"), ("007.50", "7.5"), (".25", "0.25"), ("3.", "3"), ("0", "0")] {
            assert_eq!(text.parse::<Amount>().map(|amount| amount.to_string()), Ok(read.to_owned()));
        }
        assert_eq!("0.1".parse::<Amount>().unwrap().plus("0.2".parse().unwrap()), "0.3".parse().unwrap());
        assert_eq!("1000000".parse::<Amount>(), Ok(Amount::MOST));
        for refused in
            ["", ".", "-1", "-0.5", "1e3", "1,5", "nan", "inf", "0.1234567", "1000000.000001", "9999999999999"]
        {
            assert!(refused.parse::<Amount>().is_err(), "{refused}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(millionths in 0..=Amount::MOST.0) {
            let amount = Amount(millionths);
            prop_assert_eq!(amount.to_string().parse(), Ok(amount));
        }

        #[test]
        fn no_text_breaks_it(text in "\\PC*") {
            let _ = text.parse::<Amount>();
        }
    }
}
