//! German. What a text is for stands in the struct.

use super::{Counted, Texts};

/// Durations are said in the accusative ("für 2 Tage") and after "vor" in the dative ("vor 2 Tagen"). Those of minutes and
/// hours are the same.
const fn counted(one: &'static str, other: &'static str) -> Counted {
    Counted { one, two: other, few: other, many: other, other }
}

pub(in crate::web::pages) const GERMAN: Texts = Texts {
    languages: "Sprache",
    continue_button: "Weiter",
    error_prefix: "Fehler:",
    unnamed: "Anwendung ohne Namen",

    sign_in_title: "Anmelden",
    sign_in_to: "um mit {client} fortzufahren",
    login_id_label: "E-Mail-Adresse oder Benutzername",
    password_label: "Passwort",
    show_password: "Passwort anzeigen",
    remember_label: "Angemeldet bleiben",
    sign_in_button: "Anmelden",

    second_factor_title: "Bestätigen Sie, dass Sie es sind",
    second_factor_lead: "Öffnen Sie Ihre Authenticator-App und geben Sie den sechsstelligen Code ein, den sie anzeigt.",
    code_label: "Code",
    code_hint: "Die App ist nicht zur Hand? Geben Sie stattdessen einen Ihrer Wiederherstellungscodes ein.",

    passkey_sign_in: "Mit einem Passkey anmelden",
    passkey_failed: "Das hat nicht geklappt. Sie können es noch einmal versuchen oder ohne Passkey weitermachen.",
    passkeys_title: "Ihre Passkeys",
    passkeys_lead: "Ein Passkey meldet Sie mit dem an, was Ihr Gerät entsperrt: Fingerabdruck, Gesicht oder PIN. Niemand kann ihn erraten, und keine andere Seite kann danach fragen.",
    no_passkeys: "Sie haben noch keinen.",
    passkey_unnamed: "Ein Passkey ohne Namen",
    passkey_added_when: "Hinzugefügt",
    passkey_remove: "Entfernen",
    passkey_name_label: "Wie soll er heißen?",
    passkey_name_hint: "Zum Beispiel, wo er aufbewahrt ist. Sie können das Feld leer lassen.",
    passkey_add: "Passkey hinzufügen",
    passkey_unsupported: "Dieser Browser kann keine Passkeys hinzufügen, oder seine Skripte sind abgeschaltet.",

    account_title: "Ihr Konto",
    account_lead: "Angemeldet als {login}.",
    account_passkeys: "Anzahl Ihrer Passkeys: {count}",
    account_no_passkeys: "Sie haben noch keinen. Mit einem Passkey brauchen Sie kein Passwort.",
    account_set_up: "Einrichten",
    account_manage: "Verwalten",
    account_sessions: "Wo Sie angemeldet sind",
    account_not_remembered: "Dieser Browser steht nicht in der Liste: Sie wollten nicht angemeldet bleiben.",
    account_unknown_browser: "Ein unbekannter Browser",
    account_this: "Dieser Browser",
    account_began: "Angemeldet",
    account_used: "Zuletzt benutzt",
    account_end: "Beenden",
    account_end_hint: "Was Sie nicht wiedererkennen, sollten Sie beenden. Ändern Sie danach Ihr Passwort.",
    account_end_others: "Alle anderen Sitzungen beenden",
    account_no_others: "Sie sind sonst nirgends angemeldet. Sollte hier einmal ein Browser stehen, der nicht Ihrer ist, beenden Sie seine Sitzung.",
    account_applications: "Anwendungen mit Zugriff",
    account_no_applications: "Keine. Eine Anwendung erscheint hier, sobald Sie ihr etwas erlaubt haben.",
    account_allowed: "Erlaubt",
    account_lasts: "Kann ohne Sie noch höchstens {length} weitermachen",
    account_not_offline: "Hat keinen Zugriff, wenn Sie nicht da sind, und fragt nicht noch einmal",
    account_end_access: "Zugriff entziehen",
    account_left_out: "Hier nicht gezeigt: {count}. Alle zeigen",

    change_title: "Neues Passwort wählen",
    change_administrative: "Sie wurden gebeten, vor dem Fortfahren Ihr Passwort zu ändern.",
    change_breached: "Ihr Passwort ist anderswo in einem Datenleck aufgetaucht. Wählen Sie zur Sicherheit ein anderes.",
    change_expired: "Ihr Passwort ist abgelaufen.",
    change_validation: "Ihr Passwort ist nach heutigen Regeln nicht stark genug.",
    new_password_label: "Neues Passwort",
    confirm_label: "Neues Passwort wiederholen",
    min_length: "Mindestens {min} Zeichen. Mehrere Wörter hintereinander merkt man sich leicht und errät man schwer.",
    change_button: "Passwort ändern",

    leaving_title: "Diese Seite verlassen?",
    leaving_lead: "{client} hat Sie mit einer Anfrage hierher geschickt, die nicht beantwortet werden kann.",
    leaving_text: "Sie haben dieser Anwendung nichts erlaubt. Gehen Sie nur weiter, wenn Sie wissen, wohin.",
    leaving_button: "Zurück zur Anwendung",

    consent_title: "Zugriff erlauben?",
    consent_lead: "{client} möchte auf Ihr Konto zugreifen.",
    unverified: "Nicht geprüft",
    unverified_text: "Niemand hat geprüft, wer hinter dieser Anwendung steht. Erlauben Sie den Zugriff nur, wenn Sie sie \
                      kennen und ihr vertrauen.",
    registered_by: "Registriert von",
    redirect_to: "Führt zurück zu",
    lifetime: "Zugriff gilt",
    scopes_required: "Die Anwendung darf dann:",
    scopes_optional: "Wenn Sie es ankreuzen, auch:",
    sensitive: "Weitreichend",
    allow: "Erlauben",
    deny: "Ablehnen",
    scope_openid: "Erkennen, welches Konto Ihres ist",
    scope_profile: "Ihren Namen und weitere Profilangaben sehen",
    scope_email: "Ihre E-Mail-Adresse sehen",
    scope_address: "Ihre Postanschrift sehen",
    scope_phone: "Ihre Telefonnummer sehen",
    scope_offline_access: "Den Zugriff behalten, auch wenn Sie nicht da sind",

    device_title: "Gerät verbinden",
    device_lead: "Geben Sie den Code ein, den Ihr Gerät anzeigt.",
    user_code_label: "Code",
    user_code_hint: "Groß- oder Kleinbuchstaben, mit oder ohne Bindestrich.",
    device_confirm_title: "Dieses Gerät verbinden?",
    device_confirm_lead: "Ein Gerät bittet mit {client} um Zugriff auf Ihr Konto.",
    device_compare: "Zeigt Ihr Gerät genau diesen Code?",
    device_warning: "Fahren Sie nur fort, wenn Sie das selbst begonnen haben. Hat Ihnen jemand den Code oder den Link \
                     geschickt, wählen Sie „Ablehnen“.",
    device_place: "Angefragt von",
    device_asked: "Angefragt",
    device_approved_title: "Gerät verbunden",
    device_approved_text: "Sie können diese Seite schließen und am Gerät weitermachen.",
    device_denied_title: "Zugriff abgelehnt",
    device_denied_text: "Das Gerät hat keinen Zugriff auf Ihr Konto erhalten. Sie können diese Seite schließen.",
    just_now: "gerade eben",
    ago: "vor {length}",

    confirm_logout_title: "Abmelden?",
    confirm_logout_text: "Sie werden in diesem Browser von {tenant} abgemeldet.",
    logout_button: "Abmelden",
    signed_out_title: "Sie sind abgemeldet",
    signed_out_text: "Sie können diese Seite schließen.",
    signed_out_next: "Sie werden gleich zurückgeleitet.",

    setup_title: "Erstes Konto anlegen",
    setup_lead: "Noch kann sich hier niemand anmelden. Dieser Link gilt einmal.",
    email_label: "E-Mail",
    setup_confirm_label: "Passwort, noch einmal",
    setup_button: "Konto anlegen",
    setup_done_title: "Das erste Konto ist angelegt",
    setup_done_lead: "{email} kann sich ab jetzt anmelden.",
    api_key_label: "API-Schlüssel",
    api_key_hint: "Mit diesem Schlüssel lässt sich alles verwalten. Er wird nur jetzt gezeigt: Bewahren Sie ihn so sicher auf wie ein Passwort.",

    not_registered_title: "Kein Zugang zu dieser Anwendung",
    not_registered_text: "Sie sind angemeldet, aber Ihr Konto ist für {client} nicht registriert. \
                          Bitten Sie die Betreiber, Sie hinzuzufügen.",
    error_request_title: "Das hat nicht funktioniert",
    error_request_text: "Gehen Sie zurück zur Anwendung und versuchen Sie es noch einmal. Hilft das nicht, wenden Sie sich \
                         mit der Referenz unten an die Betreiber.",
    error_throttled_title: "Zu viele Versuche",
    error_throttled_text: "Warten Sie einige Minuten. Gehen Sie dann zurück zur Anwendung und versuchen Sie es noch einmal.",
    error_loop_title: "Sie drehen sich im Kreis",
    error_loop_text: "Wir haben angehalten, weil Ihr Browser mehrmals hintereinander hierher zurückkam. Vermutlich blockiert \
                      er Cookies für diese Seite, seine Uhr geht falsch, oder die Adresse dieser Seite hat sich unterwegs \
                      geändert. Prüfen Sie das und beginnen Sie dann in der Anwendung von vorn.",
    error_login_title: "Die Anmeldung hat nicht funktioniert",
    error_login_text: "Sie sind nicht angemeldet, und sonst ist nichts geschehen. Beginnen Sie in der Anwendung von vorn. \
                       Hilft das nicht, erlauben Sie Cookies für diese Seite und nennen Sie den Betreibern die Referenz \
                       unten.",
    error_again: "Noch einmal versuchen",
    error_unavailable_title: "Zurzeit nicht möglich",
    error_unavailable_text: "Bei uns funktioniert gerade etwas nicht. Mit Ihrem Konto ist alles in Ordnung. \
                             Warten Sie einen Moment und versuchen Sie es noch einmal.",
    error_developer: "Für Entwicklerinnen und Entwickler",
    error_reference: "Referenz",

    form_post_title: "Einen Moment",
    form_post_text: "Sie werden zur Anwendung zurückgeleitet.",

    wrong_credentials: "E-Mail-Adresse, Benutzername oder Passwort ist falsch. Prüfen Sie die Angaben und versuchen Sie es \
                        noch einmal.",
    throttled: "Zu viele Versuche. Warten Sie {seconds} s und versuchen Sie es noch einmal.",
    locked: "Dieses Konto ist gesperrt. Bitten Sie die Betreiber um Hilfe.",
    expired: "Dieses Konto ist abgelaufen. Bitten Sie die Betreiber um Hilfe.",
    wrong_code: "Dieser Code ist falsch oder wurde schon benutzt. Warten Sie auf den nächsten und versuchen Sie es noch \
                 einmal.",
    password_too_short: "Dieses Passwort ist zu kurz. Verwenden Sie mindestens {min} Zeichen.",
    password_too_long: "Dieses Passwort ist zu lang.",
    password_too_common: "Dieses Passwort ist leicht zu erraten. Wählen Sie eines, das nicht auf jeder Liste steht.",
    password_used: "Das ist das Passwort, das ersetzt werden muss. Wählen Sie ein anderes.",
    passwords_differ: "Die beiden Passwörter sind nicht gleich. Geben Sie sie noch einmal ein.",
    invalid_email: "Das ist keine E-Mail-Adresse. Prüfen Sie sie und versuchen Sie es noch einmal.",
    unknown_user_code: "Wir kennen diesen Code nicht, oder er ist abgelaufen. Prüfen Sie ihn am Gerät und versuchen Sie es \
                        noch einmal.",
    form_expired: "Diese Seite war lange offen. Bitte senden Sie sie noch einmal ab.",
    busy: "Wir können das gerade nicht prüfen. Bitte versuchen Sie es gleich noch einmal.",
    wrong_passkey: "Dieser Passkey ist hier nicht bekannt. Melden Sie sich mit Ihrem Passwort an.",
    passkey_added: "Der Passkey wurde hinzugefügt. Sie können sich ab jetzt damit anmelden.",
    passkey_removed: "Der Passkey wurde entfernt. Niemand kann sich mehr damit anmelden.",
    too_many_passkeys: "Sie haben so viele Passkeys, wie man haben kann. Entfernen Sie zuerst einen.",
    session_ended: "Die Sitzung ist beendet, und mit ihr der Zugriff von Anwendungen, der dort begann. Das gilt ab sofort.",
    other_sessions_ended: "Alle anderen Sitzungen sind beendet, und mit ihnen der Zugriff von Anwendungen, der dort begann. Das gilt ab sofort.",
    access_ended: "Ab sofort kann die Anwendung ohne Sie nicht mehr weitermachen. Sie muss Sie wieder fragen.",
    nothing_to_end: "Das gibt es hier nicht mehr. Nichts wurde geändert.",

    days: counted("{n} Tag", "{n} Tage"),
    days_ago: counted("{n} Tag", "{n} Tagen"),
    hours: counted("{n} Stunde", "{n} Stunden"),
    minutes: counted("{n} Minute", "{n} Minuten"),
};
