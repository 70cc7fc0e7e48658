# Anmelden und Registrieren
sign-in-title = Anmelden
sign-in-lead = Willkommen zurück bei { $app }.
sign-in-button = Anmelden
sign-in-question = Sie haben schon ein Konto?
sign-in-link = Anmelden
sign-up-title = Konto erstellen
sign-up-lead = Los geht es mit { $app }.
sign-up-button = Konto erstellen
sign-up-question = Neu hier?
sign-up-link = Konto erstellen
email-label = E-Mail-Adresse
login-label = E-Mail-Adresse oder Benutzername
password-label = Passwort
name-label = Name (freiwillig)
password-hint = Mindestens { $length } Zeichen. Einige Wörter ohne Zusammenhang merken sich leicht.
strength-weak = Schwaches Passwort
strength-fair = Mittleres Passwort
strength-good = Gutes Passwort
show-password-label = Passwort anzeigen
shared-label = Dies ist ein gemeinsam genutzter Computer
shared-hint = Sie werden abgemeldet, wenn der Browser geschlossen wird.
forgot-link = Passwort vergessen?
or-label = oder
passkey-sign-in-button = Mit Passkey anmelden
passkey-verify-button = Passkey oder Sicherheitsschlüssel verwenden
passkey-failed = Der Passkey wurde nicht angenommen. Versuchen Sie es noch einmal.
passkey-needs-script = Passkeys und Sicherheitsschlüssel benötigen JavaScript im Browser.
provider-link = Weiter mit { $provider }
email-link = Code per E-Mail senden
email-title = Mit E-Mail anmelden
email-lead = Wir senden Ihnen einen Code und einen Link. Ein Passwort ist nicht nötig.
email-button = Code senden
other-way-link = Auf andere Weise anmelden

# Codes
verify-title = Code eingeben
verify-sent = Wir haben einen Code an { $address } gesendet. Das kann eine Minute dauern.
verify-lead = Bestätigen Sie, dass Sie es sind.
verify-passkey-lead = Bestätigen Sie mit Ihrem Passkey oder Sicherheitsschlüssel, dass Sie es sind.
verify-button = Weiter
code-label = Code
method-legend = Bestätigen mit
method-totp = Authenticator-App
method-recovery-code = Wiederherstellungscode
method-email-code = Code per E-Mail
remember-label = Auf diesem Gerät nicht mehr fragen
resend-question = Keine Nachricht erhalten?
resend-button = Neuen Code senden
start-again-link = Von vorn beginnen

# Links in Nachrichten
forgot-title = Passwort zurücksetzen
forgot-lead = Geben Sie Ihre E-Mail-Adresse ein, und wir senden Ihnen einen Link.
forgot-button = Link senden
forgot-sent = Falls es ein Konto mit dieser Adresse gibt, ist ein Link unterwegs. Sehen Sie in Ihrem Posteingang nach.
forgot-again-link = Neuen Link anfordern
back-to-sign-in-link = Zurück zur Anmeldung
reset-title = Neues Passwort wählen
reset-button = Passwort festlegen
new-password-label = Neues Passwort
link-for = Dies gilt für { $address }.
link-other = In diesem Browser wurde inzwischen ein anderer Link geöffnet. Prüfen Sie die Adresse und bestätigen Sie noch einmal.
link-sign-in-heading = Anmeldung bestätigen
link-confirm = Sie haben den Link in einem anderen Browser geöffnet als dem, der ihn angefordert hat. Hier als { $address } anmelden?
undo-title = E-Mail-Adresse wiederherstellen
undo-lead = Wenn Sie Ihre E-Mail-Adresse nicht geändert haben, stellen Sie sie hier wieder her. Alle Geräte werden abgemeldet, und Sie wählen ein neues Passwort.
undo-button = Meine Adresse wiederherstellen
cancel-title = Kontowiederherstellung stoppen
cancel-lead = Es wurde verlangt, dieses Konto ohne seine stärkste Anmeldemethode wiederherzustellen. Wenn Sie das nicht waren, stoppen Sie es hier. Alle Geräte werden abgemeldet.
cancel-button = Wiederherstellung stoppen

# Abmelden und Bestätigen
impersonation-lead = Sie sind als ein anderer Benutzer angemeldet.
impersonation-button = Zum eigenen Konto zurückkehren

sign-out-title = Abmelden
sign-out-lead = Möchten Sie sich auf diesem Gerät abmelden?
sign-out-button = Abmelden
step-up-title = Bestätigen Sie, dass Sie es sind
step-up-lead = Sie sind als { $address } angemeldet. Bestätigen Sie dies noch einmal, um fortzufahren.
step-up-lead-short = Bestätigen Sie noch einmal, dass Sie es sind, um fortzufahren.
step-up-email-button = Code per E-Mail senden
step-up-again = Melden Sie sich noch einmal an, um fortzufahren.
security-link = Konto und Sicherheit
device-title = Programm verbinden
device-lead = Geben Sie den Code ein, den das Programm anzeigt.
device-unknown = Dieser Code ist falsch oder abgelaufen. Beginnen Sie im Programm von vorn.
device-asks = { $program } möchte Ihr Konto verwenden.
device-account = Sie sind als { $address } angemeldet.
device-from = Die Anfrage kam von { $address }.
device-warning = Stimmen Sie nur zu, wenn Sie dieses Programm gerade selbst gestartet haben. Es kann dann alles tun, was Sie tun können.
device-approve-button = Zustimmen
device-deny-button = Ablehnen
device-done = Fertig. Sie können diese Seite schließen und zum Programm zurückkehren.

# Einmal angezeigt
codes-title = Ihre Wiederherstellungscodes
codes-lead = Bewahren Sie diese Codes sicher auf. Mit jedem können Sie sich einmal anmelden, wenn Sie Ihren Authenticator verlieren. Sie werden nicht noch einmal angezeigt.
codes-done-link = Ich habe sie gespeichert
copy-button = Kopieren
copied-label = Kopiert
print-button = Drucken
key-title = Ihr API-Schlüssel
key-lead = Kopieren Sie den Schlüssel jetzt. Er wird nicht noch einmal angezeigt.
key-done-link = Fertig
totp-title = Authenticator-App hinzufügen
totp-lead = Scannen Sie den Code mit Ihrer App und geben Sie die sechs Ziffern ein, die sie anzeigt.
totp-hint = Sechs Ziffern aus Ihrer Authenticator-App.
totp-secret-hint = Scannen nicht möglich? Geben Sie diesen Schlüssel in die App ein:
totp-open-link = In einer App auf diesem Gerät öffnen
totp-button = App hinzufügen
qr-label = QR-Code für die Authenticator-App
app-name-label = Name der App oder des Geräts (freiwillig)
back-link = Zurück

# Das Konto
security-title = Konto und Sicherheit
continue-link = Dort weitermachen, wo Sie aufgehört haben
profile-heading = Profil
username-label = Benutzername
language-label = Sprache
language-name = Deutsch
language-auto = Wie im Browser
save-button = Speichern
email-heading = E-Mail-Adresse
verified-label = bestätigt
unverified-label = nicht bestätigt
email-change-summary = E-Mail-Adresse ändern
new-email-label = Neue E-Mail-Adresse
new-email-hint = Wir senden einen Code an die neue Adresse.
email-change-button = Code senden
password-heading = Passwort
password-change-summary = Passwort ändern
password-set-summary = Passwort festlegen
current-password-label = Aktuelles Passwort
password-button = Passwort speichern
passkeys-heading = Passkeys
passkeys-lead = Melden Sie sich mit Fingerabdruck, Gesicht oder Displaysperre an.
passkey-unnamed = Passkey
passkey-add-button = Passkey hinzufügen
added-on = hinzugefügt am { $date }
used-on = zuletzt benutzt am { $date }
remove-button = Entfernen
two-step-heading = Bestätigung in zwei Schritten
two-step-on = Ein: Nach dem Passwort ist ein zweiter Faktor nötig.
two-step-off = Aus. Mit einer Authenticator-App ist Ihr Konto auch dann geschützt, wenn Ihr Passwort gestohlen wird.
two-step-turn-on = Einschalten
two-step-turn-off = Ausschalten
totp-add-button = Authenticator-App hinzufügen
recovery-heading = Wiederherstellungscodes
recovery-left = { $count ->
    [one] Ein unbenutzter Code ist übrig.
   *[other] { $count } unbenutzte Codes sind übrig.
}
recovery-button = Neue Codes erstellen
lost-heading = Gerät verloren?
lost-lead = Wir senden einen Code per E-Mail. Einen Tag später können Sie Ihr Konto ohne das verlorene Gerät ändern.
lost-button = Wiederherstellung beginnen
identities-heading = Verknüpfte Konten
unlink-button = Trennen
link-button = { $provider } verknüpfen
sessions-heading = Wo Sie angemeldet sind
current-label = dieses Gerät
session-bound-here = an dieses Gerät gebunden
session-bound-elsewhere = an das Gerät gebunden
session-end-button = Abmelden
sessions-end-button = Überall sonst abmelden
devices-heading = Gemerkte Geräte
devices-lead = Diese Geräte werden nicht nach einem Code gefragt.
forget-button = Vergessen
keys-heading = API-Schlüssel
revoke-button = Widerrufen
key-create-summary = API-Schlüssel erstellen
key-name-label = Name des Schlüssels
key-scopes-legend = Berechtigungen
key-button = Schlüssel erstellen
delete-heading = Konto löschen
delete-summary = Mein Konto löschen
delete-lead = Dies entfernt Ihr Konto und alles, was dazu gehört. Es kann nicht rückgängig gemacht werden.
delete-button = Mein Konto endgültig löschen

# Fehler
error-title = Das hat nicht geklappt
home-link = Zur Startseite
error-invalid-request = Diese Angabe fehlt oder ist nicht gültig.
error-unauthenticated = Melden Sie sich an, um fortzufahren.
error-invalid-credentials = Die Adresse oder das Passwort ist falsch.
error-device-proof-required = Diese Sitzung kann nur auf ihrem Gerät verwendet werden. Melden Sie sich erneut an.
error-forbidden = Dazu sind Sie nicht berechtigt.
error-step-up-required = Bestätigen Sie, dass Sie es sind, um fortzufahren.
error-setup-required = Fügen Sie einen zweiten Faktor hinzu, um fortzufahren.
error-cross-origin = Das Formular wurde von einer anderen Website gesendet. Öffnen Sie die Seite neu und wiederholen Sie die Eingabe.
error-sign-up-disabled = Hier können keine neuen Konten erstellt werden.
error-wrong-password = Das Passwort ist falsch.
error-password-exists = Ihr Konto hat schon ein Passwort.
error-challenge-expired = Der Code ist abgelaufen. Beginnen Sie von vorn.
error-invalid-code = Der Code ist falsch. Prüfen Sie ihn und versuchen Sie es noch einmal.
error-invalid-token = Der Link ist abgelaufen oder wurde schon benutzt. Fordern Sie einen neuen an.
error-confirm-required = Bestätigen Sie, dass Sie sich hier anmelden möchten.
error-too-many-attempts = { $minutes ->
    [one] Zu viele Versuche. Versuchen Sie es in einer Minute noch einmal.
   *[other] Zu viele Versuche. Versuchen Sie es in { $minutes } Minuten noch einmal.
}
error-rate-limited = { $minutes ->
    [one] Zu viele Anfragen. Versuchen Sie es in einer Minute noch einmal.
   *[other] Zu viele Anfragen. Versuchen Sie es in { $minutes } Minuten noch einmal.
}
error-not-found = Hier gibt es nichts.
error-method-not-allowed = Diese Seite kann so nicht benutzt werden.
error-email-taken = Diese E-Mail-Adresse wird schon verwendet.
error-username-taken = Dieser Benutzername wird schon verwendet.
error-invalid-redirect = Die Seite, zu der zurückgekehrt werden soll, ist nicht erlaubt.
error-invalid-state = Die Anmeldung ist abgelaufen. Beginnen Sie von vorn.
error-invalid-id-token = Die Anmeldung konnte nicht geprüft werden. Beginnen Sie von vorn.
error-provider-denied = Der Anbieter hat die Anmeldung abgelehnt.
error-provider-error = Der Anbieter hat nicht wie erwartet geantwortet. Versuchen Sie es später noch einmal.
error-email-not-verified = Bestätigen Sie zuerst Ihre E-Mail-Adresse.
error-account-exists = Sie haben schon ein Konto mit dieser Adresse. Melden Sie sich dort an und verknüpfen Sie dann diesen Anbieter.
error-identity-taken = Dies ist schon mit einem anderen Konto verknüpft.
error-account-disabled = Dieses Konto ist gesperrt.
error-last-admin = Geben Sie zuerst einem anderen Konto die Verwaltungsrechte.
error-unsupported = Dieser Dienst unterstützt das nicht.
error-last-credential = Fügen Sie zuerst eine andere Anmeldemethode hinzu.
error-invalid-passkey = Der Passkey wurde nicht angenommen.
error-no-totp = Fügen Sie zuerst eine Authenticator-App hinzu.
error-too-many-factors = Entfernen Sie zuerst eine andere.
error-no-second-factor = Fügen Sie zuerst einen zweiten Faktor hinzu.
error-second-factor-enrolled = Entfernen Sie zuerst Ihre zweiten Faktoren.
error-payload-too-large = Das Formular ist zu groß.
error-unsupported-media-type = Das Formular konnte nicht gelesen werden.
error-invalid-email = Dies ist keine gültige E-Mail-Adresse.
error-weak-password = Wählen Sie ein anderes Passwort:
error-impersonating = Nicht möglich, während Sie als ein anderer Benutzer angemeldet sind.
error-internal = Etwas ist schiefgegangen. Versuchen Sie es später noch einmal.
error-unavailable = Der Dienst ist im Moment nicht verfügbar. Versuchen Sie es später noch einmal.
reason-too-short = { $length ->
    [one] mindestens ein Zeichen
   *[other] mindestens { $length } Zeichen
}
reason-too-long = es ist zu lang
reason-common = es ist eines der häufigsten Passwörter
reason-contains-identifier = es enthält Ihren Namen oder Ihre E-Mail-Adresse
reason-missing-lowercase = fügen Sie einen Kleinbuchstaben hinzu
reason-missing-uppercase = fügen Sie einen Großbuchstaben hinzu
reason-missing-number = fügen Sie eine Ziffer hinzu
reason-missing-symbol = fügen Sie ein Sonderzeichen hinzu
reason-breached = es ist aus einem Datenleck bekannt

# Mails
mail-greeting = Guten Tag { $name },
mail-code-note = { $minutes ->
    [one] Er gilt eine Minute.
   *[other] Er gilt { $minutes } Minuten.
    } Wenn Sie ihn nicht angefordert haben, wurde Ihre E-Mail-Adresse vielleicht versehentlich eingegeben; geben Sie den Code nicht weiter.
mail-not-you = Wenn Sie das nicht waren, setzen Sie sofort ein neues Passwort.
mail-what-label = Was
mail-when-label = Wann
mail-network-label = Netzwerkadresse
mail-device-label = Gerät
mail-device-on = { $program } auf { $system }
mail-device-application = eine Anwendung
mail-device-unknown = nicht erkannt
mail-object-password = Passwort
mail-object-recovery-codes = Wiederherstellungscodes
mail-object-passkey = Passkey „{ $name }“
mail-object-security-key = Sicherheitsschlüssel „{ $name }“
mail-object-app = Authenticator-App „{ $name }“
mail-object-api-key = API-Schlüssel „{ $name }“
mail-object-provider = Anmeldung über { $name }
mail-object-any-provider = Anmeldung über einen Anbieter
mail-object-other = eine weitere Anmeldemethode
mail-item = { $item }, seit { $date }
mail-sign-up-code-subject = Ihr Code zum Registrieren
mail-sign-up-code-before = Ihr Code, um die Registrierung abzuschließen:
mail-sign-up-code-after = { mail-code-note }
mail-sign-in-code-subject = Ihr Code zum Anmelden
mail-sign-in-code-before = Ihr Code zum Anmelden:
mail-sign-in-code-after = { mail-code-note }
mail-sign-in-link-subject = Ihr Code und Link zum Anmelden
mail-sign-in-link-before = Geben Sie diesen Code ein, um sich anzumelden, oder öffnen Sie den Link im selben Browser:
mail-sign-in-link-after = Beide gelten { $minutes ->
    [one] eine Minute
   *[other] { $minutes } Minuten
    }, und einer von ihnen funktioniert einmal. Wenn Sie sie nicht angefordert haben, müssen Sie nichts tun; geben Sie weder Code noch Link weiter.
mail-change-code-subject = Ihr Code zum Ändern des Passworts
mail-change-code-before = Ihr Code zum Ändern des Passworts:
mail-change-code-after = { mail-code-note }
mail-email-change-code-subject = Bestätigen Sie Ihre neue E-Mail-Adresse
mail-email-change-code-before = Ihr Code, um diese Adresse zu bestätigen:
mail-email-change-code-after = { mail-code-note }
mail-step-up-code-subject = Bestätigen Sie, dass Sie es sind
mail-step-up-code-before = Ihr Code, um zu bestätigen, dass Sie es sind:
mail-step-up-code-after = { mail-code-note }
mail-already-registered-subject = Sie haben bereits ein Konto
mail-already-registered-before = Jemand hat versucht, sich mit dieser E-Mail-Adresse zu registrieren. Sie hat bereits ein Konto: Melden Sie sich an, oder setzen Sie ein neues Passwort, wenn Sie Ihres vergessen haben.
mail-already-registered-after = Wenn Sie das nicht waren, müssen Sie nichts tun.
mail-reset-link-subject = Neues Passwort setzen
mail-reset-link-before = Öffnen Sie diesen Link, um ein neues Passwort zu setzen:
mail-reset-link-after = Er gilt { $minutes ->
    [one] eine Minute
   *[other] { $minutes } Minuten
    } und funktioniert einmal. Wenn Sie ihn nicht angefordert haben, müssen Sie nichts tun: Ihr Passwort ist unverändert.
mail-invitation-subject = Sie sind eingeladen
mail-invitation-before = Für Sie wurde ein Konto angelegt. Öffnen Sie diesen Link, um Ihr Passwort zu setzen:
mail-invitation-after = Er gilt sieben Tage und funktioniert einmal. Wenn Sie ihn nicht erwartet haben, müssen Sie nichts tun.
mail-notice-password-changed-subject = Ihr Passwort wurde geändert
mail-notice-password-changed-before = Das Passwort Ihres Kontos wurde geändert, und alle anderen Geräte wurden abgemeldet.
mail-notice-password-changed-after = { mail-not-you }
mail-notice-email-changed-subject = Ihre E-Mail-Adresse wurde geändert
mail-notice-email-changed-before = Die E-Mail-Adresse Ihres Kontos wurde geändert. Wenn Sie das nicht waren, machen Sie es hier rückgängig:
mail-notice-email-changed-after = Der Link funktioniert einmal.
mail-notice-email-changed-by-administrator-before = Die E-Mail-Adresse Ihres Kontos wurde von der Verwaltung geändert.
mail-notice-email-changed-by-administrator-after = Wenn Sie das nicht erwartet haben, wenden Sie sich an den Betreiber dieses Dienstes.
mail-notice-email-change-requested-subject = Eine Änderung Ihrer E-Mail-Adresse wurde angefordert
mail-notice-email-change-requested-before = Eine Änderung der E-Mail-Adresse Ihres Kontos wurde angefordert. Wenn Sie das nicht waren, stoppen Sie sie hier:
mail-notice-email-change-requested-after = Der Link funktioniert einmal.
mail-notice-email-change-undone-subject = Die Änderung einer E-Mail-Adresse wurde rückgängig gemacht
mail-notice-email-change-undone-before = Die Änderung der E-Mail-Adresse eines Kontos wurde rückgängig gemacht, und alle Geräte wurden abgemeldet.
mail-notice-factor-added-subject = Eine Anmeldemethode wurde hinzugefügt
mail-notice-factor-added-before = Ihrem Konto wurde eine Anmeldemethode hinzugefügt.
mail-notice-factor-added-after = { mail-not-you }
mail-notice-factor-removed-subject = Eine Anmeldemethode wurde entfernt
mail-notice-factor-removed-before = Aus Ihrem Konto wurde eine Anmeldemethode entfernt.
mail-notice-factor-removed-after = { mail-not-you }
mail-notice-recovery-code-used-subject = Ein Wiederherstellungscode wurde verwendet
mail-notice-recovery-code-used-before = Ein Wiederherstellungscode Ihres Kontos wurde zum Anmelden verwendet.
mail-notice-recovery-code-used-after = { mail-not-you }
mail-recovery-code-email-subject = Ihr Code zum Wiederherstellen Ihres Kontos
mail-recovery-code-email-before = Ihr Code, um die Wiederherstellung zu beginnen:
mail-recovery-code-email-after = { mail-code-note }
mail-notice-recovery-requested-subject = Eine Wiederherstellung Ihres Kontos wurde angefordert
mail-notice-recovery-requested-before = In einem Tag kann das Gerät, das sie angefordert hat, Ihr Konto ohne seine stärkste Anmeldemethode ändern. Wenn Sie das nicht waren, stoppen Sie es hier:
mail-notice-recovery-requested-after = Der Link gilt 48 Stunden. Er stoppt die Wiederherstellung und meldet alle Geräte ab.
mail-notice-recovery-available-subject = Die Wiederherstellung Ihres Kontos ist möglich
mail-notice-recovery-available-before = Einen Tag lang kann das Gerät, das die Wiederherstellung angefordert hat, Ihr Konto ohne seine stärkste Anmeldemethode ändern. Ersetzen Sie, was Sie verloren haben.
mail-notice-recovery-available-after = Wenn Sie das nicht waren, öffnen Sie den Link in der früheren Nachricht, oder setzen Sie sofort ein neues Passwort.
mail-notice-impersonated-subject = Ein Administrator handelt in Ihrem Konto
mail-notice-impersonated-before = Ein Administrator dieses Dienstes hat sich für höchstens eine Stunde als Sie angemeldet. Er kann nicht ändern, wie Sie sich anmelden.
mail-notice-impersonated-after = Wenn Sie das nicht erwartet haben, wenden Sie sich an den Betreiber dieses Dienstes.

mail-notice-two-step-changed-subject = Die Zwei-Schritt-Verifizierung wurde geändert
mail-notice-two-step-changed-before = Die Zwei-Schritt-Verifizierung Ihres Kontos wurde ein- oder ausgeschaltet.
mail-notice-two-step-changed-after = { mail-not-you }
mail-notice-device-forgotten-subject = Ein gemerktes Gerät wurde vergessen
mail-notice-device-forgotten-before = Ein Gerät, mit dem Sie angemeldet waren, wird wieder nach einem zweiten Faktor gefragt.
mail-notice-device-forgotten-after = { mail-not-you }
mail-notice-identity-linked-subject = Ein Konto wurde verknüpft
mail-notice-identity-linked-before = Ein Konto bei einem Anbieter kann Sie jetzt anmelden.
mail-notice-identity-linked-after = { mail-not-you }
mail-notice-provider-alarm-subject = Ein Anbieter hat ein Problem mit Ihrem Konto dort gemeldet
mail-notice-provider-alarm-before = Ein Anbieter hat gemeldet, dass Ihr Konto dort geändert, geschlossen oder von einer anderen Person benutzt wurde. Die Geräte, die es hier angemeldet hat, wurden abgemeldet.
mail-notice-provider-alarm-after = Diese Nachricht nennt Ihre Passkeys, Authenticator-Apps, verknüpften Konten und Schlüssel hier. Wenn Sie etwas davon nicht kennen, entfernen Sie es und setzen Sie sofort ein neues Passwort.
mail-notice-new-device-subject = Ein neues Gerät hat sich angemeldet
mail-notice-new-device-before = Ihr Konto wurde zur Anmeldung auf einem Gerät verwendet, auf dem es vorher nicht verwendet wurde.
mail-notice-new-device-after = { mail-not-you }
mail-notice-program-signed-in-subject = Ein Programm wurde angemeldet
mail-notice-program-signed-in-before = Sie haben einem Programm erlaubt, Ihr Konto zu verwenden.
mail-notice-program-signed-in-after = { mail-not-you }
mail-notice-account-deleted-subject = Ihr Konto wurde gelöscht
mail-notice-account-deleted-before = Ihr Konto wurde mit allem gelöscht, was dazu gehörte.
mail-notice-account-deleted-after = Wenn Sie das nicht waren, wenden Sie sich an den Betreiber dieses Dienstes.
mail-notice-api-key-created-subject = Ein API-Schlüssel wurde erstellt
mail-notice-api-key-created-before = Ein API-Schlüssel, der für Ihr Konto handelt, wurde erstellt.
mail-notice-api-key-created-after = { mail-not-you }
mail-notice-api-key-revoked-subject = Ein API-Schlüssel wurde widerrufen
mail-notice-api-key-revoked-before = Ein API-Schlüssel Ihres Kontos wurde widerrufen.
mail-notice-api-key-revoked-after = { mail-not-you }
mail-notice-locked-subject = Die Anmeldung mit Ihrem Passwort ist ausgesetzt
mail-notice-locked-before = Für Ihr Konto wurden viele falsche Passwörter versucht. Einen Tag lang wird Ihr Passwort nur auf Geräten akzeptiert, die Sie vorher verwendet haben.
mail-notice-locked-after = Wenn Sie sich anderswo anmelden müssen, verwenden Sie einen Passkey oder ein verknüpftes Konto, oder setzen Sie ein neues Passwort.
mail-notice-device-mismatch-subject = Eine Sitzung wurde auf einem anderen Gerät verwendet
mail-notice-device-mismatch-before = Eine Sitzung Ihres Kontos ist an Ihr Gerät gebunden, und ein anderes Gerät hat versucht, sie zu verlängern. Das wurde abgelehnt, aber die Daten, die Ihr Gerät sendet, könnten gestohlen worden sein.
mail-notice-device-mismatch-after = Wenn Sie das nicht waren, melden Sie sich auf dem gebundenen Gerät ab, prüfen Sie es auf Schadsoftware und legen Sie ein neues Passwort fest.
mail-notice-refresh-reuse-subject = Ein Gerät wurde abgemeldet
mail-notice-refresh-reuse-before = Ein Token Ihres Kontos wurde erneut verwendet, nachdem es ersetzt worden war. Dieses Gerät wurde abgemeldet; melden Sie sich dort wieder an.
mail-notice-refresh-reuse-after = { mail-not-you }
