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
        "unblock" => "Auf die Frage einer Aufgabe antworten und sie weiterlaufen lassen",
        "assign" => "Eine Aufgabe einem Profil geben",
        "retry" => "Eine gescheiterte Aufgabe noch einmal versuchen",
        "cancel" => "Eine Aufgabe abbrechen und ihren Lauf beenden",
        "why" => "Warum geht diese Aufgabe nicht weiter?",
        "tail" => "Die letzten Ereignisse einer Aufgabe",
        "log" => "Was der letzte Lauf einer Aufgabe geschrieben hat",
        "watch" => "Diesem Thread von einer Aufgabe oder dem Board berichten",
        "unwatch" => "Diesem Thread nicht mehr berichten",
        "stats" => "Das Board in Zahlen",
        "archive" => "Aufgaben weglegen",
        "dispatch" => "Das Starten von Agenten ansehen, anhalten, fortsetzen",
        "boards" => "Boards auflisten und verwalten",
        "schedule" => "Eine Aufgabe auf später legen",
        _ => return None,
    })
}
