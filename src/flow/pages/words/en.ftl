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
sign-out-title = Sign out
sign-out-lead = Do you want to sign out on this device?
sign-out-button = Sign out
step-up-title = Confirm that it is you
step-up-lead = You are signed in as { $address }. Verify again to continue.
step-up-lead-short = Verify again to continue.
step-up-email-button = Email me a code
step-up-again = Sign in again to continue.
security-link = Account and security

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
error-provider-denied = The provider denied the sign-in.
error-provider-error = The provider did not respond as expected. Try again later.
error-email-not-verified = Verify your email address first.
error-account-exists = You already have an account with this address. Sign in to it, then link this provider.
error-identity-taken = This is already linked to another account.
error-account-disabled = This account is disabled.
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
