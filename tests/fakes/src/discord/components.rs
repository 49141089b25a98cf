//! Components of messages: their numbers, and the texts among them.

use serde_json::Value;

/// Numbers components in the order in which they stand, where the caller has not.
pub(super) fn number(components: &mut [Value], last: &mut u64) {
    for component in components {
        *last += 1;
        if component["id"].as_u64().unwrap_or(0) == 0 {
            component["id"] = (*last).into();
        }
        if let Some(children) = component.get_mut("components").and_then(Value::as_array_mut) {
            number(children, last);
        }
        if component["accessory"].is_object() {
            number(std::slice::from_mut(&mut component["accessory"]), last);
        }
    }
}

/// The texts among components, whose mentions notify people as those of a content do.
pub(super) fn displayed(components: &[Value]) -> String {
    let mut text = String::new();
    for component in components {
        if component["type"] == 10 {
            text += component["content"].as_str().unwrap_or_default();
            text.push('\n');
        }
        text += &displayed(component["components"].as_array().map_or(&[], Vec::as_slice));
    }
    text
}
