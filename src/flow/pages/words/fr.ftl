# Connexion et inscription
sign-in-title = Se connecter
sign-in-lead = Heureux de vous revoir sur { $app }.
sign-in-button = Se connecter
sign-in-question = Vous avez déjà un compte ?
sign-in-link = Se connecter
sign-up-title = Créer un compte
sign-up-lead = Commencez avec { $app }.
sign-up-button = Créer le compte
sign-up-question = Nouveau ici ?
sign-up-link = Créer un compte
email-label = Adresse e-mail
login-label = Adresse e-mail ou nom d’utilisateur
password-label = Mot de passe
name-label = Nom (facultatif)
password-hint = Au moins { $length } caractères. Quelques mots sans rapport se retiennent facilement.
strength-weak = Mot de passe faible
strength-fair = Mot de passe moyen
strength-good = Bon mot de passe
show-password-label = Afficher le mot de passe
shared-label = Cet ordinateur est partagé
shared-hint = Vous serez déconnecté à la fermeture du navigateur.
forgot-link = Mot de passe oublié ?
or-label = ou
passkey-sign-in-button = Se connecter avec une clé d’accès
passkey-verify-button = Utiliser votre clé d’accès ou clé de sécurité
passkey-failed = La clé d’accès n’a pas été acceptée. Réessayez.
passkey-needs-script = Les clés d’accès et les clés de sécurité nécessitent JavaScript dans votre navigateur.
provider-link = Continuer avec { $provider }
email-link = Recevoir un code par e-mail
email-title = Se connecter par e-mail
email-lead = Nous vous enverrons un code et un lien. Aucun mot de passe n’est nécessaire.
email-button = Envoyer le code
other-way-link = Se connecter autrement

# Codes
verify-title = Saisissez le code
verify-sent = Nous avons envoyé un code à { $address }. Cela peut prendre une minute.
verify-lead = Confirmez que c’est bien vous.
verify-passkey-lead = Confirmez que c’est bien vous avec votre clé d’accès ou votre clé de sécurité.
verify-button = Continuer
code-label = Code
method-legend = Vérifier avec
method-totp = Application d’authentification
method-recovery-code = Code de récupération
method-email-code = Code par e-mail
remember-label = Ne plus demander sur cet appareil
resend-question = Pas de message ?
resend-button = Envoyer un autre code
start-again-link = Recommencer

# Liens dans les messages
forgot-title = Réinitialiser le mot de passe
forgot-lead = Saisissez votre adresse e-mail et nous vous enverrons un lien.
forgot-button = Envoyer le lien
forgot-sent = S’il existe un compte avec cette adresse, un lien est en route. Consultez votre boîte de réception.
forgot-again-link = Demander un autre lien
back-to-sign-in-link = Retour à la connexion
reset-title = Choisir un nouveau mot de passe
reset-button = Enregistrer le mot de passe
new-password-label = Nouveau mot de passe
link-for = Ceci concerne { $address }.
link-other = Un autre lien a été ouvert depuis dans ce navigateur. Vérifiez l’adresse et confirmez à nouveau.
link-sign-in-heading = Confirmez votre connexion
link-confirm = Vous avez ouvert ce lien dans un autre navigateur que celui qui l’a demandé. Se connecter ici en tant que { $address } ?
undo-title = Rétablir votre adresse e-mail
undo-lead = Si vous n’avez pas changé votre adresse e-mail, rétablissez-la ici. Tous les appareils sont déconnectés et vous choisissez un nouveau mot de passe.
undo-button = Rétablir mon adresse
cancel-title = Arrêter la récupération du compte
cancel-lead = Une récupération de ce compte sans sa méthode de connexion la plus forte a été demandée. Si ce n’était pas vous, arrêtez-la ici. Tous les appareils sont déconnectés.
cancel-button = Arrêter la récupération

# Déconnexion et confirmation
impersonation-lead = Vous êtes connecté en tant qu’un autre utilisateur.
impersonation-button = Revenir à votre compte

sign-out-title = Se déconnecter
sign-out-lead = Voulez-vous vous déconnecter sur cet appareil ?
sign-out-button = Se déconnecter
step-up-title = Confirmez que c’est bien vous
step-up-lead = Vous êtes connecté en tant que { $address }. Confirmez votre identité pour continuer.
step-up-lead-short = Confirmez votre identité pour continuer.
step-up-email-button = Recevoir un code par e-mail
step-up-again = Connectez-vous à nouveau pour continuer.
security-link = Compte et sécurité
device-title = Connecter un programme
device-lead = Saisissez le code affiché par le programme.
device-unknown = Ce code est incorrect ou a expiré. Recommencez dans le programme.
device-asks = { $program } demande à utiliser votre compte.
device-account = Vous êtes connecté en tant que { $address }.
device-from = La demande vient de { $address }.
device-warning = N’acceptez que si vous venez de lancer ce programme vous-même. Il pourra alors faire tout ce que vous pouvez faire.
device-approve-button = Accepter
device-deny-button = Refuser
device-done = C’est fait. Vous pouvez fermer cette page et revenir au programme.

# Affiché une seule fois
codes-title = Vos codes de récupération
codes-lead = Conservez ces codes en lieu sûr. Chacun vous connecte une fois si vous perdez votre application d’authentification. Ils ne seront plus affichés.
codes-done-link = Je les ai enregistrés
copy-button = Copier
copied-label = Copié
print-button = Imprimer
key-title = Votre clé d’API
key-lead = Copiez la clé maintenant. Elle ne sera plus affichée.
key-done-link = Terminé
totp-title = Ajouter une application d’authentification
totp-lead = Scannez le code avec votre application, puis saisissez les six chiffres qu’elle affiche.
totp-hint = Six chiffres de votre application d’authentification.
totp-secret-hint = Impossible de scanner ? Saisissez cette clé dans votre application :
totp-open-link = Ouvrir dans une application sur cet appareil
totp-button = Ajouter l’application
qr-label = Code QR pour l’application d’authentification
app-name-label = Nom de l’application ou de l’appareil (facultatif)
back-link = Retour

# Le compte
security-title = Compte et sécurité
continue-link = Reprendre là où vous en étiez
profile-heading = Profil
username-label = Nom d’utilisateur
language-label = Langue
language-name = Français
language-auto = Comme dans le navigateur
save-button = Enregistrer
email-heading = Adresse e-mail
verified-label = vérifiée
unverified-label = non vérifiée
email-change-summary = Changer d’adresse e-mail
new-email-label = Nouvelle adresse e-mail
new-email-hint = Nous enverrons un code à la nouvelle adresse.
email-change-button = Envoyer le code
password-heading = Mot de passe
password-change-summary = Changer le mot de passe
password-set-summary = Définir un mot de passe
current-password-label = Mot de passe actuel
password-button = Enregistrer le mot de passe
passkeys-heading = Clés d’accès
passkeys-lead = Connectez-vous avec votre empreinte, votre visage ou le verrouillage de l’écran.
passkey-unnamed = Clé d’accès
passkey-add-button = Ajouter une clé d’accès
added-on = ajouté le { $date }
used-on = dernière utilisation le { $date }
remove-button = Supprimer
two-step-heading = Vérification en deux étapes
two-step-on = Activée : un second facteur est demandé après votre mot de passe.
two-step-off = Désactivée. Ajoutez une application d’authentification pour protéger votre compte même si votre mot de passe est volé.
two-step-turn-on = Activer
two-step-turn-off = Désactiver
totp-add-button = Ajouter une application d’authentification
recovery-heading = Codes de récupération
recovery-left = { $count ->
    [one] Il reste { $count } code inutilisé.
   *[other] Il reste { $count } codes inutilisés.
}
recovery-button = Créer de nouveaux codes
lost-heading = Appareil perdu ?
lost-lead = Nous envoyons un code par e-mail. Un jour plus tard, vous pourrez modifier votre compte sans l’appareil perdu.
lost-button = Commencer la récupération
identities-heading = Comptes liés
unlink-button = Dissocier
link-button = Lier { $provider }
sessions-heading = Où vous êtes connecté
current-label = cet appareil
session-bound-here = liée à cet appareil
session-bound-elsewhere = liée à son appareil
session-end-button = Déconnecter
sessions-end-button = Se déconnecter partout ailleurs
devices-heading = Appareils mémorisés
devices-lead = Aucun code n’est demandé à ces appareils.
forget-button = Oublier
keys-heading = Clés d’API
revoke-button = Révoquer
key-create-summary = Créer une clé d’API
key-name-label = Nom de la clé
key-scopes-legend = Autorisations
key-button = Créer la clé
delete-heading = Supprimer le compte
delete-summary = Supprimer mon compte
delete-lead = Ceci supprime votre compte et tout ce qui lui appartient. C’est irréversible.
delete-button = Supprimer définitivement mon compte

# Erreurs
error-title = Cela n’a pas fonctionné
home-link = Aller à la page d’accueil
error-invalid-request = Cette valeur manque ou n’est pas valide.
error-unauthenticated = Connectez-vous pour continuer.
error-invalid-credentials = L’adresse ou le mot de passe est incorrect.
error-device-proof-required = Cette session ne peut être utilisée que sur son appareil. Reconnectez-vous.
error-forbidden = Vous n’êtes pas autorisé à faire cela.
error-step-up-required = Confirmez que c’est bien vous pour continuer.
error-setup-required = Ajoutez un second facteur pour continuer.
error-cross-origin = Le formulaire a été envoyé depuis un autre site. Rouvrez la page et recommencez.
error-sign-up-disabled = Il n’est pas possible de créer un compte ici.
error-wrong-password = Le mot de passe est incorrect.
error-password-exists = Votre compte a déjà un mot de passe.
error-challenge-expired = Le code a expiré. Recommencez.
error-invalid-code = Le code est incorrect. Vérifiez-le et réessayez.
error-invalid-token = Le lien a expiré ou a déjà été utilisé. Demandez-en un nouveau.
error-confirm-required = Confirmez que vous voulez vous connecter ici.
error-too-many-attempts = { $minutes ->
    [one] Trop de tentatives. Réessayez dans { $minutes } minute.
   *[other] Trop de tentatives. Réessayez dans { $minutes } minutes.
}
error-rate-limited = { $minutes ->
    [one] Trop de demandes. Réessayez dans { $minutes } minute.
   *[other] Trop de demandes. Réessayez dans { $minutes } minutes.
}
error-not-found = Il n’y a rien ici.
error-method-not-allowed = Cette page ne peut pas être utilisée ainsi.
error-email-taken = Cette adresse e-mail est déjà utilisée.
error-username-taken = Ce nom d’utilisateur est déjà utilisé.
error-invalid-redirect = La page de retour n’est pas autorisée.
error-invalid-state = La connexion a expiré. Recommencez.
error-invalid-id-token = La connexion n’a pas pu être vérifiée. Recommencez.
error-provider-denied = Le fournisseur a refusé la connexion.
error-provider-error = Le fournisseur n’a pas répondu comme prévu. Réessayez plus tard.
error-email-not-verified = Vérifiez d’abord votre adresse e-mail.
error-account-exists = Vous avez déjà un compte avec cette adresse. Connectez-vous, puis liez ce fournisseur.
error-identity-taken = Ceci est déjà lié à un autre compte.
error-account-disabled = Ce compte est désactivé.
error-last-admin = Désignez d’abord un autre administrateur.
error-unsupported = Ce service ne prend pas cela en charge.
error-last-credential = Ajoutez d’abord un autre moyen de connexion.
error-invalid-passkey = La clé d’accès n’a pas été acceptée.
error-no-totp = Ajoutez d’abord une application d’authentification.
error-too-many-factors = Supprimez-en d’abord une autre.
error-no-second-factor = Ajoutez d’abord un second facteur.
error-second-factor-enrolled = Supprimez d’abord vos seconds facteurs.
error-payload-too-large = Le formulaire est trop volumineux.
error-unsupported-media-type = Le formulaire n’a pas pu être lu.
error-invalid-email = Cette adresse e-mail n’est pas valide.
error-weak-password = Choisissez un autre mot de passe :
error-impersonating = Impossible tant que vous êtes connecté en tant qu’un autre utilisateur.
error-internal = Une erreur s’est produite. Réessayez plus tard.
error-unavailable = Le service n’est pas disponible pour le moment. Réessayez plus tard.
reason-too-short = { $length ->
    [one] au moins { $length } caractère
   *[other] au moins { $length } caractères
}
reason-too-long = il est trop long
reason-common = c’est l’un des mots de passe les plus courants
reason-contains-identifier = il contient votre nom ou votre adresse e-mail
reason-missing-lowercase = ajoutez une minuscule
reason-missing-uppercase = ajoutez une majuscule
reason-missing-number = ajoutez un chiffre
reason-missing-symbol = ajoutez un symbole
reason-breached = il figure dans une fuite de données

# Mails
mail-greeting = Bonjour { $name },
mail-code-note = { $minutes ->
    [one] Il est valable une minute.
   *[other] Il est valable { $minutes } minutes.
    } Si vous ne l’avez pas demandé, votre adresse e-mail a peut-être été saisie par erreur ; ne communiquez pas le code.
mail-not-you = Si ce n’était pas vous, choisissez immédiatement un nouveau mot de passe.
mail-what-label = Objet
mail-when-label = Date
mail-network-label = Adresse réseau
mail-device-label = Appareil
mail-device-on = { $program } sur { $system }
mail-device-application = une application
mail-device-unknown = non reconnu
mail-object-password = mot de passe
mail-object-recovery-codes = codes de récupération
mail-object-passkey = clé d’accès « { $name } »
mail-object-security-key = clé de sécurité « { $name } »
mail-object-app = application d’authentification « { $name } »
mail-object-api-key = clé d’API « { $name } »
mail-object-provider = connexion avec { $name }
mail-object-any-provider = connexion avec un fournisseur
mail-object-other = une autre méthode de connexion
mail-item = { $item }, depuis { $date }
mail-sign-up-code-subject = Votre code d’inscription
mail-sign-up-code-before = Votre code pour terminer l’inscription :
mail-sign-up-code-after = { mail-code-note }
mail-sign-in-code-subject = Votre code de connexion
mail-sign-in-code-before = Votre code pour vous connecter :
mail-sign-in-code-after = { mail-code-note }
mail-sign-in-link-subject = Votre code et votre lien de connexion
mail-sign-in-link-before = Saisissez ce code pour vous connecter, ou ouvrez le lien dans le même navigateur :
mail-sign-in-link-after = Les deux sont valables { $minutes ->
    [one] une minute
   *[other] { $minutes } minutes
    }, et l’un d’eux fonctionne une fois. Si vous ne les avez pas demandés, il n’y a rien à faire ; ne communiquez ni le code ni le lien.
mail-change-code-subject = Votre code pour changer le mot de passe
mail-change-code-before = Votre code pour changer le mot de passe :
mail-change-code-after = { mail-code-note }
mail-email-change-code-subject = Confirmez votre nouvelle adresse e-mail
mail-email-change-code-before = Votre code pour confirmer cette adresse :
mail-email-change-code-after = { mail-code-note }
mail-step-up-code-subject = Confirmez que c’est bien vous
mail-step-up-code-before = Votre code pour confirmer que c’est bien vous :
mail-step-up-code-after = { mail-code-note }
mail-already-registered-subject = Vous avez déjà un compte
mail-already-registered-before = Une inscription a été tentée avec cette adresse e-mail. Elle a déjà un compte : connectez-vous, ou choisissez un nouveau mot de passe si vous avez oublié le vôtre.
mail-already-registered-after = Si ce n’était pas vous, il n’y a rien à faire.
mail-reset-link-subject = Choisissez un nouveau mot de passe
mail-reset-link-before = Ouvrez ce lien pour choisir un nouveau mot de passe :
mail-reset-link-after = Il est valable { $minutes ->
    [one] une minute
   *[other] { $minutes } minutes
    } et fonctionne une fois. Si vous ne l’avez pas demandé, il n’y a rien à faire : votre mot de passe est inchangé.
mail-invitation-subject = Vous êtes invité
mail-invitation-before = Un compte a été créé pour vous. Ouvrez ce lien pour choisir votre mot de passe :
mail-invitation-after = Il est valable sept jours et fonctionne une fois. Si vous ne l’attendiez pas, il n’y a rien à faire.
mail-notice-password-changed-subject = Votre mot de passe a été changé
mail-notice-password-changed-before = Le mot de passe de votre compte a été changé, et tous les autres appareils ont été déconnectés.
mail-notice-password-changed-after = { mail-not-you }
mail-notice-email-changed-subject = Votre adresse e-mail a été changée
mail-notice-email-changed-before = L’adresse e-mail de votre compte a été changée. Si ce n’était pas vous, rétablissez-la ici :
mail-notice-email-changed-after = Le lien fonctionne une fois.
mail-notice-email-changed-by-administrator-before = Un administrateur a changé l’adresse e-mail de votre compte.
mail-notice-email-changed-by-administrator-after = Si vous ne vous y attendiez pas, contactez l’exploitant de ce service.
mail-notice-email-change-requested-subject = Un changement de votre adresse e-mail a été demandé
mail-notice-email-change-requested-before = Un changement de l’adresse e-mail de votre compte a été demandé. Si ce n’était pas vous, arrêtez-le ici :
mail-notice-email-change-requested-after = Le lien fonctionne une fois.
mail-notice-email-change-undone-subject = Le changement d’une adresse e-mail a été annulé
mail-notice-email-change-undone-before = Le changement de l’adresse e-mail d’un compte a été annulé, et tous les appareils ont été déconnectés.
mail-notice-factor-added-subject = Une méthode de connexion a été ajoutée
mail-notice-factor-added-before = Une méthode de connexion a été ajoutée à votre compte.
mail-notice-factor-added-after = { mail-not-you }
mail-notice-factor-removed-subject = Une méthode de connexion a été supprimée
mail-notice-factor-removed-before = Une méthode de connexion a été supprimée de votre compte.
mail-notice-factor-removed-after = { mail-not-you }
mail-notice-recovery-code-used-subject = Un code de récupération a été utilisé
mail-notice-recovery-code-used-before = Un code de récupération de votre compte a été utilisé pour se connecter.
mail-notice-recovery-code-used-after = { mail-not-you }
mail-recovery-code-email-subject = Votre code pour récupérer votre compte
mail-recovery-code-email-before = Votre code pour commencer la récupération :
mail-recovery-code-email-after = { mail-code-note }
mail-notice-recovery-requested-subject = Une récupération de votre compte a été demandée
mail-notice-recovery-requested-before = Dans un jour, l’appareil qui l’a demandée pourra modifier votre compte sans sa méthode de connexion la plus forte. Si ce n’était pas vous, arrêtez-la ici :
mail-notice-recovery-requested-after = Le lien est valable 48 heures. Il arrête la récupération et déconnecte tous les appareils.
mail-notice-recovery-available-subject = La récupération de votre compte est possible
mail-notice-recovery-available-before = Pendant un jour, l’appareil qui a demandé la récupération peut modifier votre compte sans sa méthode de connexion la plus forte. Remplacez ce que vous avez perdu.
mail-notice-recovery-available-after = Si ce n’était pas vous, ouvrez le lien du message précédent, ou choisissez immédiatement un nouveau mot de passe.
mail-notice-impersonated-subject = Un administrateur agit dans votre compte
mail-notice-impersonated-before = Un administrateur de ce service s’est connecté en votre nom, pour une heure au plus. Il ne peut pas modifier vos méthodes de connexion.
mail-notice-impersonated-after = Si vous ne vous y attendiez pas, contactez l’exploitant de ce service.

mail-notice-two-step-changed-subject = La vérification en deux étapes a été modifiée
mail-notice-two-step-changed-before = La vérification en deux étapes de votre compte a été activée ou désactivée.
mail-notice-two-step-changed-after = { mail-not-you }
mail-notice-device-forgotten-subject = Un appareil mémorisé a été oublié
mail-notice-device-forgotten-before = Un second facteur est de nouveau demandé sur un appareil avec lequel vous vous êtes connecté.
mail-notice-device-forgotten-after = { mail-not-you }
mail-notice-identity-linked-subject = Un compte a été lié
mail-notice-identity-linked-before = Un compte chez un fournisseur peut maintenant vous connecter.
mail-notice-identity-linked-after = { mail-not-you }
mail-notice-provider-alarm-subject = Un fournisseur a signalé un problème avec votre compte chez lui
mail-notice-provider-alarm-before = Un fournisseur a signalé que votre compte chez lui a été modifié, fermé ou utilisé par une autre personne. Les appareils qu’il avait connectés ici ont été déconnectés.
mail-notice-provider-alarm-after = Ce message énumère vos clés d’accès, authentificateurs, comptes liés et clés ici. Si vous n’en reconnaissez pas un, supprimez-le et définissez immédiatement un nouveau mot de passe.
mail-notice-new-device-subject = Un nouvel appareil s’est connecté
mail-notice-new-device-before = Votre compte a été utilisé pour se connecter depuis un appareil sur lequel il n’avait pas encore été utilisé.
mail-notice-new-device-after = { mail-not-you }
mail-notice-program-signed-in-subject = Un programme a été connecté
mail-notice-program-signed-in-before = Vous avez autorisé un programme à utiliser votre compte.
mail-notice-program-signed-in-after = { mail-not-you }
mail-notice-account-deleted-subject = Votre compte a été supprimé
mail-notice-account-deleted-before = Votre compte a été supprimé avec tout ce qui lui appartenait.
mail-notice-account-deleted-after = Si ce n’était pas vous, contactez l’exploitant de ce service.
mail-notice-api-key-created-subject = Une clé d’API a été créée
mail-notice-api-key-created-before = Une clé d’API qui agit pour votre compte a été créée.
mail-notice-api-key-created-after = { mail-not-you }
mail-notice-api-key-revoked-subject = Une clé d’API a été révoquée
mail-notice-api-key-revoked-before = Une clé d’API de votre compte a été révoquée.
mail-notice-api-key-revoked-after = { mail-not-you }
mail-notice-locked-subject = La connexion par mot de passe est suspendue
mail-notice-locked-before = De nombreux mots de passe incorrects ont été essayés pour votre compte. Pendant un jour, votre mot de passe n’est accepté que sur les appareils que vous avez déjà utilisés.
mail-notice-locked-after = Si vous devez vous connecter ailleurs, utilisez une clé d’accès ou un compte lié, ou choisissez un nouveau mot de passe.
mail-notice-device-mismatch-subject = Une session a été utilisée sur un autre appareil
mail-notice-device-mismatch-before = Une session de votre compte est liée à votre appareil, et un autre appareil a essayé de la prolonger. Cette tentative a été refusée, mais les données envoyées par votre appareil ont peut-être été volées.
mail-notice-device-mismatch-after = Si ce n’était pas vous, déconnectez-vous sur votre appareil, vérifiez qu’il ne contient pas de logiciel malveillant et définissez un nouveau mot de passe.
mail-notice-refresh-reuse-subject = Un appareil a été déconnecté
mail-notice-refresh-reuse-before = Un jeton de votre compte a été réutilisé après avoir été remplacé. Cet appareil a été déconnecté ; reconnectez-vous dessus.
mail-notice-refresh-reuse-after = { mail-not-you }
