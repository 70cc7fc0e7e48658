# Sign-in and sign-up
sign-in-title = Sign in
sign-in-lead = Welcome back to { $app }.
sign-in-button = Sign in
sign-in-question = Already have an account?
sign-in-link = Sign in
sign-up-title = Create an account
sign-up-lead = Get started with { $app }.
sign-up-button = Create account
sign-up-question = New here?
sign-up-link = Create an account
email-label = Email address
login-label = Email address or username
password-label = Password
name-label = Name (optional)
password-hint = At least { $length } characters. A few unrelated words are easy to remember.
strength-weak = Weak password
strength-fair = Fair password
strength-good = Good password
show-password-label = Show password
shared-label = This is a shared computer
shared-hint = You will be signed out when the browser is closed.
forgot-link = Forgot your password?
or-label = or
passkey-sign-in-button = Sign in with a passkey
passkey-verify-button = Use your passkey or security key
passkey-failed = The passkey was not accepted. Try again.
passkey-needs-script = Passkeys and security keys need JavaScript in your browser.
provider-link = Continue with { $provider }
email-link = Email me a code
email-title = Sign in by email
email-lead = We will send you a code and a link. No password needed.
email-button = Send code
other-way-link = Sign in another way

# Codes
verify-title = Enter the code
verify-sent = We sent a code to { $address }. It may take a minute.
verify-lead = Confirm that it is you.
verify-passkey-lead = Confirm that it is you with your passkey or security key.
verify-button = Continue
code-label = Code
method-legend = Verify with
method-totp = Authenticator app
method-recovery-code = Recovery code
method-email-code = Code by email
remember-label = Do not ask again on this device
resend-question = No message?
resend-button = Send another code
start-again-link = Start again

# Links in messages
forgot-title = Reset your password
forgot-lead = Enter your email address, and we will send you a link.
forgot-button = Send link
forgot-sent = If there is an account with this address, a link is on its way. Check your inbox.
forgot-again-link = Request another link
back-to-sign-in-link = Back to sign-in
reset-title = Choose a new password
reset-button = Set password
new-password-label = New password
link-for = This is for { $address }.
link-other = Another link was opened in this browser since. Check the address, and confirm again.
link-sign-in-heading = Confirm your sign-in
link-confirm = You opened this link in another browser than the one that requested it. Sign in here as { $address }?
undo-title = Restore your email address
undo-lead = If you did not change your email address, restore it here. All devices are signed out, and you choose a new password.
undo-button = Restore my address
cancel-title = Stop the account recovery
cancel-lead = A recovery of this account without its strongest sign-in method was requested. If it was not you, stop it here. All devices are signed out.
cancel-button = Stop recovery

# Sign-out and step-up
impersonation-lead = You are signed in as another user.
impersonation-button = Return to your account

sign-out-title = Sign out
sign-out-lead = Do you want to sign out on this device?
sign-out-button = Sign out
step-up-title = Confirm that it is you
step-up-lead = You are signed in as { $address }. Verify again to continue.
step-up-lead-short = Verify again to continue.
step-up-email-button = Email me a code
step-up-again = Sign in again to continue.
security-link = Account and security
device-title = Connect a program
device-lead = Enter the code that the program shows.
device-unknown = This code is wrong or has expired. Start again in the program.
device-asks = { $program } asks to use your account.
device-account = You are signed in as { $address }.
device-from = The request came from { $address }.
device-warning = Approve only if you have just started this program yourself. It can then do everything that you can do.
device-approve-button = Approve
device-deny-button = Deny
device-done = Done. You can close this page and return to the program.

# Shown once
codes-title = Your recovery codes
codes-lead = Keep these codes in a safe place. Each one signs you in once if you lose your authenticator. They are not shown again.
codes-done-link = I have saved them
copy-button = Copy
copied-label = Copied
print-button = Print
key-title = Your API key
key-lead = Copy the key now. It is not shown again.
key-done-link = Done
totp-title = Add an authenticator app
totp-lead = Scan the code with your app, then enter the six digits that it shows.
totp-hint = Six digits, from your authenticator app.
totp-secret-hint = Cannot scan it? Enter this key in your app:
totp-open-link = Open in an app on this device
totp-button = Add app
qr-label = QR code for the authenticator app
app-name-label = Name of the app or device (optional)
back-link = Back

# The account
security-title = Account and security
continue-link = Continue where you left off
profile-heading = Profile
username-label = Username
language-label = Language
language-name = English
language-auto = As in the browser
save-button = Save
email-heading = Email address
verified-label = verified
unverified-label = not verified
email-change-summary = Change email address
new-email-label = New email address
new-email-hint = We will send a code to the new address.
email-change-button = Send code
password-heading = Password
password-change-summary = Change password
password-set-summary = Set a password
current-password-label = Current password
password-button = Save password
passkeys-heading = Passkeys
passkeys-lead = Sign in with your fingerprint, face or screen lock.
passkey-unnamed = Passkey
passkey-add-button = Add a passkey
added-on = added on { $date }
used-on = last used on { $date }
remove-button = Remove
two-step-heading = Two-step verification
two-step-on = On: a second factor is required after your password.
two-step-off = Off. Add an authenticator app to protect your account even if your password is stolen.
two-step-turn-on = Turn on
two-step-turn-off = Turn off
totp-add-button = Add an authenticator app
recovery-heading = Recovery codes
recovery-left = { $count ->
    [one] One unused code is left.
   *[other] { $count } unused codes are left.
}
recovery-button = Create new codes
lost-heading = Lost your device?
lost-lead = We send a code by email. A day later you can change your account without the lost device.
lost-button = Begin recovery
identities-heading = Linked accounts
unlink-button = Unlink
link-button = Link { $provider }
sessions-heading = Where you are signed in
current-label = this device
session-bound-here = bound to this device
session-bound-elsewhere = bound to its device
session-end-button = Sign out
sessions-end-button = Sign out everywhere else
devices-heading = Remembered devices
devices-lead = These devices are not asked for a code.
forget-button = Forget
keys-heading = API keys
revoke-button = Revoke
key-create-summary = Create an API key
key-name-label = Name of the key
key-scopes-legend = Permissions
key-button = Create key
delete-heading = Delete account
delete-summary = Delete my account
delete-lead = This removes your account and everything that belongs to it. It cannot be undone.
delete-button = Delete my account for good

# Errors
error-title = That did not work
home-link = Go to the start page
error-invalid-request = This is missing or not valid.
error-unauthenticated = Sign in to continue.
error-invalid-credentials = The address or the password is wrong.
error-device-proof-required = This session can only be used on its device. Sign in again.
error-forbidden = You are not allowed to do this.
error-step-up-required = Confirm that it is you to continue.
error-setup-required = Add a second factor to continue.
error-cross-origin = The form was sent from another site. Open the page again and repeat.
error-sign-up-disabled = New accounts cannot be created here.
error-wrong-password = The password is wrong.
error-password-exists = Your account already has a password.
error-challenge-expired = The code has expired. Start again.
error-invalid-code = The code is wrong. Check it, and try again.
error-invalid-token = The link has expired or was already used. Request a new one.
error-confirm-required = Confirm that you want to sign in here.
error-too-many-attempts = { $minutes ->
    [one] Too many attempts. Try again in one minute.
   *[other] Too many attempts. Try again in { $minutes } minutes.
}
error-rate-limited = { $minutes ->
    [one] Too many requests. Try again in one minute.
   *[other] Too many requests. Try again in { $minutes } minutes.
}
error-not-found = There is nothing here.
error-method-not-allowed = This page cannot be used in this way.
error-email-taken = This email address is already in use.
error-username-taken = This username is already in use.
error-invalid-redirect = The page to return to is not allowed.
error-invalid-state = The sign-in has expired. Start again.
error-invalid-id-token = The sign-in could not be verified. Start again.
error-provider-denied = The provider denied the sign-in.
error-provider-error = The provider did not respond as expected. Try again later.
error-email-not-verified = Verify your email address first.
error-account-exists = You already have an account with this address. Sign in to it, then link this provider.
error-identity-taken = This is already linked to another account.
error-account-disabled = This account is disabled.
error-last-admin = Make another user an administrator first.
error-unsupported = This service does not support this.
error-last-credential = Add another way to sign in first.
error-invalid-passkey = The passkey was not accepted.
error-no-totp = Add an authenticator app first.
error-too-many-factors = Remove another one first.
error-no-second-factor = Add a second factor first.
error-second-factor-enrolled = Remove your second factors first.
error-payload-too-large = The form is too large.
error-unsupported-media-type = The form could not be read.
error-invalid-email = This is not a valid email address.
error-weak-password = Choose another password:
error-impersonating = Not possible while signed in as another user.
error-internal = Something went wrong. Try again later.
error-unavailable = The service is not available at the moment. Try again later.
reason-too-short = { $length ->
    [one] at least one character
   *[other] at least { $length } characters
}
reason-too-long = it is too long
reason-common = it is one of the most common passwords
reason-contains-identifier = it contains your name or email address
reason-missing-lowercase = add a lowercase letter
reason-missing-uppercase = add an uppercase letter
reason-missing-number = add a number
reason-missing-symbol = add a symbol
reason-breached = it is known from a data breach

# Mails
mail-greeting = Hello { $name },
mail-code-note = { $minutes ->
    [one] It is valid for one minute.
   *[other] It is valid for { $minutes } minutes.
    } If you did not request it, your email address may have been typed by mistake; do not share the code.
mail-not-you = If this was not you, set a new password at once.
mail-what-label = What
mail-when-label = When
mail-network-label = Network address
mail-device-label = Device
mail-device-on = { $program } on { $system }
mail-device-application = an application
mail-device-unknown = not recognized
mail-object-password = password
mail-object-recovery-codes = recovery codes
mail-object-passkey = passkey "{ $name }"
mail-object-security-key = security key "{ $name }"
mail-object-app = authenticator app "{ $name }"
mail-object-api-key = API key "{ $name }"
mail-object-provider = sign-in by { $name }
mail-object-any-provider = sign-in by a provider
mail-object-other = another credential
mail-item = { $item }, since { $date }
mail-sign-up-code-subject = Your sign-up code
mail-sign-up-code-before = Your code to finish signing up:
mail-sign-up-code-after = { mail-code-note }
mail-sign-in-code-subject = Your sign-in code
mail-sign-in-code-before = Your code to sign in:
mail-sign-in-code-after = { mail-code-note }
mail-sign-in-link-subject = Your code and link to sign in
mail-sign-in-link-before = Enter this code to sign in, or open the link in the same browser:
mail-sign-in-link-after = Both are valid for { $minutes ->
    [one] one minute
   *[other] { $minutes } minutes
    }, and one of them works once. If you did not request them, there is nothing to do; do not share the code or the link.
mail-change-code-subject = Your code to change the password
mail-change-code-before = Your code to change the password:
mail-change-code-after = { mail-code-note }
mail-email-change-code-subject = Confirm your new email address
mail-email-change-code-before = Your code to confirm this address:
mail-email-change-code-after = { mail-code-note }
mail-step-up-code-subject = Confirm that it is you
mail-step-up-code-before = Your code to confirm that it is you:
mail-step-up-code-after = { mail-code-note }
mail-already-registered-subject = You already have an account
mail-already-registered-before = There was an attempt to sign up with this email address. It already has an account: sign in, or set a new password if you have forgotten yours.
mail-already-registered-after = If this was not you, there is nothing to do.
mail-reset-link-subject = Set a new password
mail-reset-link-before = Open this link to set a new password:
mail-reset-link-after = It is valid for { $minutes ->
    [one] one minute
   *[other] { $minutes } minutes
    } and works once. If you did not request it, there is nothing to do: your password is unchanged.
mail-invitation-subject = You are invited
mail-invitation-before = An account was created for you. Open this link to set your password:
mail-invitation-after = It is valid for seven days and works once. If you did not expect it, there is nothing to do.
mail-notice-password-changed-subject = Your password was changed
mail-notice-password-changed-before = The password of your account was changed, and all other devices were signed out.
mail-notice-password-changed-after = { mail-not-you }
mail-notice-email-changed-subject = Your email address was changed
mail-notice-email-changed-before = The email address of your account was changed. If this was not you, revert it here:
mail-notice-email-changed-after = The link works once.
mail-notice-email-changed-by-administrator-before = An administrator changed the email address of your account.
mail-notice-email-changed-by-administrator-after = If you did not expect this, contact the operator of this service.
mail-notice-email-change-requested-subject = A change of your email address was requested
mail-notice-email-change-requested-before = A change of the email address of your account was requested. If this was not you, stop it here:
mail-notice-email-change-requested-after = The link works once.
mail-notice-email-change-undone-subject = A change of an email address was reverted
mail-notice-email-change-undone-before = The change of the email address of an account was reverted, and every device was signed out.
mail-notice-factor-added-subject = A sign-in method was added
mail-notice-factor-added-before = A sign-in method was added to your account.
mail-notice-factor-added-after = { mail-not-you }
mail-notice-factor-removed-subject = A sign-in method was removed
mail-notice-factor-removed-before = A sign-in method was removed from your account.
mail-notice-factor-removed-after = { mail-not-you }
mail-notice-recovery-code-used-subject = A recovery code was used
mail-notice-recovery-code-used-before = A recovery code of your account was used to sign in.
mail-notice-recovery-code-used-after = { mail-not-you }
mail-recovery-code-email-subject = Your code to recover your account
mail-recovery-code-email-before = Your code to begin the recovery:
mail-recovery-code-email-after = { mail-code-note }
mail-notice-recovery-requested-subject = A recovery of your account was requested
mail-notice-recovery-requested-before = In a day, the device that requested it can change your account without its strongest sign-in method. If this was not you, stop it here:
mail-notice-recovery-requested-after = The link is valid for 48 hours. It stops the recovery and signs out every device.
mail-notice-recovery-available-subject = The recovery of your account is available
mail-notice-recovery-available-before = For a day, the device that requested the recovery can change your account without its strongest sign-in method. Replace what you have lost.
mail-notice-recovery-available-after = If this was not you, open the link in the earlier message, or set a new password at once.
mail-notice-impersonated-subject = An administrator acts in your account
mail-notice-impersonated-before = An administrator of this service signed in as you, for an hour at most. They cannot change how you sign in.
mail-notice-impersonated-after = If you did not expect this, contact the operator of this service.

mail-notice-two-step-changed-subject = Two-step verification was changed
mail-notice-two-step-changed-before = Two-step verification of your account was turned on or off.
mail-notice-two-step-changed-after = { mail-not-you }
mail-notice-device-forgotten-subject = A remembered device was forgotten
mail-notice-device-forgotten-before = A device that you signed in from is asked for a second factor again.
mail-notice-device-forgotten-after = { mail-not-you }
mail-notice-identity-linked-subject = An account was linked
mail-notice-identity-linked-before = An account at a provider can now sign you in.
mail-notice-identity-linked-after = { mail-not-you }
mail-notice-provider-alarm-subject = A provider reported a problem with your account there
mail-notice-provider-alarm-before = A provider reported that your account there was changed, closed, or used by another person. The devices that it signed in here were signed out.
mail-notice-provider-alarm-after = This message lists your passkeys, authenticators, linked accounts and keys here. If you do not recognize one, remove it and set a new password at once.
mail-notice-new-device-subject = A new device signed in
mail-notice-new-device-before = Your account was used to sign in from a device that it was not used on before.
mail-notice-new-device-after = { mail-not-you }
mail-notice-program-signed-in-subject = A program was signed in
mail-notice-program-signed-in-before = You allowed a program to use your account.
mail-notice-program-signed-in-after = { mail-not-you }
mail-notice-account-deleted-subject = Your account was deleted
mail-notice-account-deleted-before = Your account was deleted with everything that belonged to it.
mail-notice-account-deleted-after = If this was not you, contact the operator of this service.
mail-notice-api-key-created-subject = An API key was created
mail-notice-api-key-created-before = An API key that acts for your account was created.
mail-notice-api-key-created-after = { mail-not-you }
mail-notice-api-key-revoked-subject = An API key was revoked
mail-notice-api-key-revoked-before = An API key of your account was revoked.
mail-notice-api-key-revoked-after = { mail-not-you }
mail-notice-locked-subject = Signing in with your password is paused
mail-notice-locked-before = Many wrong passwords were tried for your account. For a day your password is only accepted on devices that you used before.
mail-notice-locked-after = If you need to sign in elsewhere, use a passkey or a linked account, or set a new password.
mail-notice-device-mismatch-subject = A session was used on another device
mail-notice-device-mismatch-before = A session of your account is bound to your device, and another device tried to renew it. This was rejected, but what your device sends may have been stolen.
mail-notice-device-mismatch-after = If this was not you, sign out on that device, check it for malware, and set a new password.
mail-notice-refresh-reuse-subject = A device was signed out
mail-notice-refresh-reuse-before = A token of your account was used again after it had been replaced. That device has been signed out; sign in there again.
mail-notice-refresh-reuse-after = { mail-not-you }
