//! The built-in English text.

use super::{MessageKind, words::MessageText};

/// Returns the built-in English text.
///
/// ```
/// use authlayer::{MessageKind, mail::english};
///
/// assert_eq!(english(MessageKind::SignInCode).subject, "Your sign-in code");
/// ```
pub fn english(kind: MessageKind) -> MessageText {
    const CODE: &str = "It is valid for {minutes} minutes. If you did not request it, your email \
        address may have been typed by mistake; do not share the code.";
    const NOT_YOU: &str = "If this was not you, set a new password at once.";
    let (subject, before, after) = match kind {
        MessageKind::SignUpCode => ("Your sign-up code", "Your code to finish signing up:", CODE),
        MessageKind::SignInCode => ("Your sign-in code", "Your code to sign in:", CODE),
        MessageKind::SignInLink => (
            "Your code and link to sign in",
            "Enter this code to sign in, or open the link in the same browser:",
            "Both are valid for {minutes} minutes, and one of them works once. If you did not \
            request them, there is nothing to do; do not share the code or the link.",
        ),
        MessageKind::ChangeCode => {
            ("Your code to change the password", "Your code to change the password:", CODE)
        }
        MessageKind::EmailChangeCode => {
            ("Confirm your new email address", "Your code to confirm this address:", CODE)
        }
        MessageKind::StepUpCode => {
            ("Confirm that it is you", "Your code to confirm that it is you:", CODE)
        }
        MessageKind::AlreadyRegistered => (
            "You already have an account",
            "There was an attempt to sign up with this email address. It already has an account: \
            sign in, or set a new password if you have forgotten yours.",
            "If this was not you, there is nothing to do.",
        ),
        MessageKind::ResetLink => (
            "Set a new password",
            "Open this link to set a new password:",
            "It is valid for {minutes} minutes and works once. If you did not request it, there \
            is nothing to do: your password is unchanged.",
        ),
        MessageKind::Invitation => (
            "You are invited",
            "An account was created for you. Open this link to set your password:",
            "It is valid for seven days and works once. If you did not expect it, there is nothing \
            to do.",
        ),
        MessageKind::PasswordChanged => (
            "Your password was changed",
            "The password of your account was changed, and all other devices were signed out.",
            NOT_YOU,
        ),
        MessageKind::EmailChanged => (
            "Your email address was changed",
            "The email address of your account was changed. If this was not you, revert it here:",
            "The link works once.",
        ),
        MessageKind::EmailChangeRequested => (
            "A change of your email address was requested",
            "A change of the email address of your account was requested. If this was not you, \
            stop it here:",
            "The link works once.",
        ),
        MessageKind::EmailChangeUndone => (
            "A change of an email address was reverted",
            "The change of the email address of an account was reverted, and every device was \
            signed out.",
            "",
        ),
        MessageKind::AccountDeleted => (
            "Your account was deleted",
            "Your account was deleted with everything that belonged to it.",
            "If this was not you, contact the operator of this service.",
        ),
        MessageKind::ApiKeyCreated => (
            "An API key was created",
            "An API key that acts for your account was created.",
            NOT_YOU,
        ),
        MessageKind::ApiKeyRevoked => {
            ("An API key was revoked", "An API key of your account was revoked.", NOT_YOU)
        }
        MessageKind::FactorAdded => {
            ("A sign-in method was added", "A sign-in method was added to your account.", NOT_YOU)
        }
        MessageKind::FactorRemoved => (
            "A sign-in method was removed",
            "A sign-in method was removed from your account.",
            NOT_YOU,
        ),
        MessageKind::RecoveryCodeUsed => (
            "A recovery code was used",
            "A recovery code of your account was used to sign in.",
            NOT_YOU,
        ),
        MessageKind::RecoveryCode => {
            ("Your code to recover your account", "Your code to begin the recovery:", CODE)
        }
        MessageKind::RecoveryRequested => (
            "A recovery of your account was requested",
            "In a day, the device that requested it can change your account without its strongest \
            sign-in method. If this was not you, stop it here:",
            "The link is valid for 48 hours. It stops the recovery and signs out every device.",
        ),
        MessageKind::RecoveryAvailable => (
            "The recovery of your account is available",
            "For a day, the device that requested the recovery can change your account without its \
            strongest sign-in method. Replace what you have lost.",
            "If this was not you, open the link in the earlier message, or set a new password at \
            once.",
        ),
        MessageKind::Impersonated => (
            "An administrator acts in your account",
            "An administrator of this service signed in as you, for an hour at most. They cannot change how you \
            sign in.",
            "If you did not expect this, contact the operator of this service.",
        ),
        MessageKind::TwoStepChanged => (
            "Two-step verification was changed",
            "Two-step verification of your account was turned on or off.",
            NOT_YOU,
        ),
        MessageKind::DeviceForgotten => (
            "A remembered device was forgotten",
            "A device that you signed in from is asked for a second factor again.",
            NOT_YOU,
        ),
        MessageKind::IdentityLinked => {
            ("An account was linked", "An account at a provider can now sign you in.", NOT_YOU)
        }
        MessageKind::ProgramSignedIn => {
            ("A program was signed in", "You allowed a program to use your account.", NOT_YOU)
        }
        MessageKind::ProviderAlarm => (
            "A provider reported a problem with your account there",
            "A provider reported that your account there was changed, closed, or used by another \
            person. The devices that it signed in here were signed out.",
            "This message lists your passkeys, authenticators, linked accounts and keys here. If \
            you do not recognize one, remove it and set a new password at once.",
        ),
        MessageKind::NewDevice => (
            "A new device signed in",
            "Your account was used to sign in from a device that it was not used on before.",
            NOT_YOU,
        ),
        MessageKind::Locked => (
            "Signing in with your password is paused",
            "Many wrong passwords were tried for your account. For a day your password is only \
            accepted on devices that you used before.",
            "If you need to sign in elsewhere, use a passkey or a linked account, or set a new \
            password.",
        ),
        MessageKind::DeviceMismatch => (
            "A session was used on another device",
            "A session of your account is bound to your device, and another device tried to renew \
            it. This was rejected, but what your device sends may have been stolen.",
            "If this was not you, sign out on that device, check it for malware, and set a new \
            password.",
        ),
        MessageKind::RefreshReuse => (
            "A device was signed out",
            "A token of your account was used again after it had been replaced. That device has \
            been signed out; sign in there again.",
            NOT_YOU,
        ),
        // The flow registers its own text.
        MessageKind::Custom(_) => ("A message about your account", "", ""),
    };
    MessageText { subject, before, after }
}

/// The English text of [`MessageKind::EmailChanged`] for a change by an administrator, which has no
/// link.
pub(crate) const EMAIL_CHANGED_BY_ADMINISTRATOR: MessageText = MessageText {
    subject: "Your email address was changed",
    before: "An administrator changed the email address of your account.",
    after: "If you did not expect this, contact the operator of this service.",
};
