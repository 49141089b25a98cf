//! The native menu as derived from a declaration with one of everything.
use crate::support::{arg, spec, verb};
use kanban_discord::{WHOLE, menu, size};
use kanban_platform::{Arg, Capability, Kind, Spec};

#[test]
fn the_menu_of_everything() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&menu(&spec())).unwrap());
}

#[test]
fn a_menu_that_is_too_long_is_said_more_briefly() {
    let long = "word ".repeat(60);
    let args = |count: usize| {
        let one = |number: usize| Arg { about: long.clone(), ..arg(&format!("argument-{number}"), Kind::Text) };
        (0..count).map(one).collect::<Vec<_>>()
    };
    for verbs in [2, 8, 23, 40] {
        let one =
            |number: usize| Spec { about: long.clone(), ..verb(&format!("verb{number}"), Capability::Read, args(5)) };
        let spec = Spec { verbs: (0..verbs).map(one).collect(), ..spec() };
        let menu = menu(&spec);
        assert!(size(&menu[0]) <= WHOLE, "{verbs} verbs: {}", size(&menu[0]));
        let options = menu[0]["options"].as_array().unwrap();
        assert!(options.len() <= 25);
        assert!(options.iter().any(|option| option["name"] == "run") && options.iter().any(|o| o["name"] == "help"));
        for option in options.iter().flat_map(|option| option["options"].as_array().unwrap()) {
            assert!((1..=100).contains(&option["description"].as_str().unwrap().chars().count()));
        }
    }
}
