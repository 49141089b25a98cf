//! The lines of the menus in German.

/// What a verb of the menus does, or `kanban` itself.
pub(super) fn german(verb: &str) -> Option<&'static str> {
    Some(match verb {
        "kanban" => "Ein Board voller Aufgaben, die Agenten erledigen",
        "create" => "Eine Aufgabe anlegen",
        "list" => "Aufgaben auflisten",
        "show" => "Eine Aufgabe zeigen: Zustand, Kommentare, Läufe",
        "comment" => "Etwas zu einer Aufgabe sagen",
        "complete" => "Aufgaben als erledigt melden",
        "block" => "Eine Aufgabe anhalten, bis jemand antwortet oder hilft",
        "answer" => "Auf die Frage einer Aufgabe antworten, damit sie weiterläuft",
        "unblock" => "Eine angehaltene Aufgabe weiterlaufen lassen",
        "assign" => "Eine Aufgabe einem Profil geben",
        "retry" => "Eine gescheiterte Aufgabe noch einmal versuchen",
        "cancel" => "Eine Aufgabe abbrechen und ihren Lauf beenden",
        "why" => "Warum geht diese Aufgabe nicht weiter?",
        "log" => "Was der letzte Lauf einer Aufgabe geschrieben hat",
        "watch" => "Diesem Thread von einer Aufgabe oder dem Board berichten",
        "unwatch" => "Diesem Thread nicht mehr berichten",
        "board" => "Das Board als Nachricht, die sich selbst aktuell hält",
        "boards" => "Boards auflisten und verwalten",
        "agent" => "Wer hier auf gewöhnliche Nachrichten antwortet",
        "stop" => "Den Agenten dieses Threads anhalten",
        "here" => "Zeigen oder festlegen, wo neue Aufgaben von hier laufen",
        _ => return None,
    })
}
