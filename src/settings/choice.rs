//! Declares an enum whose values are words in settings.

/// Declares a closed set of words: the enum, the list of all, the parser with its suggestion, and the setting.
macro_rules! choice {
    ($(#[doc = $about:literal])+ pub enum $name:ident { $($(#[doc = $text:literal])+ $variant:ident = $word:literal,)+ }) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[doc = $text])+ $variant,)+ }

        impl $name {
            /// Every value, in the order of the declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word for it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let known = Self::ALL.iter().map(|value| value.name());
                Self::ALL.iter().copied().find(|value| value.name() == text).ok_or_else(|| {
                    let hint = $crate::suggest::nearest(text, known)
                        .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                    format!("got `{text}`, expected {}{hint}", <Self as $crate::settings::value::Setting>::expected())
                })
            }
        }

        impl $crate::settings::value::Setting for $name {
            const FORM: $crate::settings::value::Form = $crate::settings::value::Form::Text;

            fn expected() -> String {
                let words: Vec<_> = Self::ALL.iter().map(|value| format!("`\"{}\"`", value.name())).collect();
                words.join(", ")
            }

            fn read(value: &config::ValueKind) -> Result<Self, String> {
                $crate::settings::value::text_of::<Self>(value)?.parse()
            }

            fn shown(&self) -> serde_json::Value {
                self.name().into()
            }
        }
    };
}

pub(crate) use choice;
