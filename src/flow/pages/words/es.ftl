# Inicio de sesión y registro
sign-in-title = Iniciar sesión
sign-in-lead = Le damos la bienvenida de nuevo a { $app }.
sign-in-button = Iniciar sesión
sign-in-question = ¿Ya tiene una cuenta?
sign-in-link = Iniciar sesión
sign-up-title = Crear una cuenta
sign-up-lead = Empiece con { $app }.
sign-up-button = Crear cuenta
sign-up-question = ¿Es su primera vez aquí?
sign-up-link = Crear una cuenta
email-label = Correo electrónico
login-label = Correo electrónico o nombre de usuario
password-label = Contraseña
name-label = Nombre (opcional)
password-hint = Al menos { $length } caracteres. Varias palabras sin relación son fáciles de recordar.
strength-weak = Contraseña débil
strength-fair = Contraseña aceptable
strength-good = Buena contraseña
show-password-label = Mostrar la contraseña
shared-label = Este ordenador es compartido
shared-hint = La sesión se cerrará al cerrar el navegador.
forgot-link = ¿Olvidó su contraseña?
or-label = o
passkey-sign-in-button = Iniciar sesión con una llave de acceso
passkey-verify-button = Usar su llave de acceso o llave de seguridad
passkey-failed = La llave de acceso no se aceptó. Inténtelo de nuevo.
passkey-needs-script = Las llaves de acceso y de seguridad necesitan JavaScript en el navegador.
provider-link = Continuar con { $provider }
email-link = Recibir un código por correo
email-title = Iniciar sesión por correo
email-lead = Le enviaremos un código y un enlace. No hace falta contraseña.
email-button = Enviar código
other-way-link = Iniciar sesión de otra forma

# Códigos
verify-title = Introduzca el código
verify-sent = Enviamos un código a { $address }. Puede tardar un minuto.
verify-lead = Confirme que es usted.
verify-passkey-lead = Confirme que es usted con su llave de acceso o de seguridad.
verify-button = Continuar
code-label = Código
method-legend = Verificar con
method-totp = Aplicación de autenticación
method-recovery-code = Código de recuperación
method-email-code = Código por correo
remember-label = No volver a preguntar en este dispositivo
resend-question = ¿No recibió el mensaje?
resend-button = Enviar otro código
start-again-link = Empezar de nuevo

# Enlaces en mensajes
forgot-title = Restablecer la contraseña
forgot-lead = Introduzca su correo electrónico y le enviaremos un enlace.
forgot-button = Enviar enlace
forgot-sent = Si existe una cuenta con esta dirección, un enlace está en camino. Revise su bandeja de entrada.
forgot-again-link = Solicitar otro enlace
back-to-sign-in-link = Volver al inicio de sesión
reset-title = Elegir una contraseña nueva
reset-button = Guardar contraseña
new-password-label = Contraseña nueva
link-for = Esto es para { $address }.
link-other = Desde entonces se abrió otro enlace en este navegador. Compruebe la dirección y confirme de nuevo.
link-sign-in-heading = Confirme el inicio de sesión
link-confirm = Abrió este enlace en un navegador distinto del que lo solicitó. ¿Iniciar sesión aquí como { $address }?
undo-title = Restaurar su correo electrónico
undo-lead = Si usted no cambió su correo electrónico, restáurelo aquí. Se cierra la sesión en todos los dispositivos y elige una contraseña nueva.
undo-button = Restaurar mi dirección
cancel-title = Detener la recuperación de la cuenta
cancel-lead = Se solicitó recuperar esta cuenta sin su método de acceso más fuerte. Si no fue usted, deténgalo aquí. Se cierra la sesión en todos los dispositivos.
cancel-button = Detener la recuperación

# Cierre de sesión y confirmación
impersonation-lead = Ha iniciado sesión como otro usuario.
impersonation-button = Volver a su cuenta

sign-out-title = Cerrar sesión
sign-out-lead = ¿Quiere cerrar la sesión en este dispositivo?
sign-out-button = Cerrar sesión
step-up-title = Confirme que es usted
step-up-lead = Ha iniciado sesión como { $address }. Verifique su identidad para continuar.
step-up-lead-short = Verifique su identidad para continuar.
step-up-email-button = Recibir un código por correo
step-up-again = Inicie sesión de nuevo para continuar.
security-link = Cuenta y seguridad
device-title = Conectar un programa
device-lead = Introduzca el código que muestra el programa.
device-unknown = Este código es incorrecto o ha caducado. Empiece de nuevo en el programa.
device-asks = { $program } solicita usar su cuenta.
device-account = Ha iniciado sesión como { $address }.
device-from = La solicitud procede de { $address }.
device-warning = Acepte solo si acaba de iniciar este programa usted mismo. Entonces podrá hacer todo lo que usted puede hacer.
device-approve-button = Aceptar
device-deny-button = Rechazar
device-done = Listo. Puede cerrar esta página y volver al programa.

# Se muestra una vez
codes-title = Sus códigos de recuperación
codes-lead = Guarde estos códigos en un lugar seguro. Cada uno le permite entrar una vez si pierde su aplicación de autenticación. No se volverán a mostrar.
codes-done-link = Los he guardado
copy-button = Copiar
copied-label = Copiado
print-button = Imprimir
key-title = Su clave de API
key-lead = Copie la clave ahora. No se volverá a mostrar.
key-done-link = Listo
totp-title = Añadir una aplicación de autenticación
totp-lead = Escanee el código con su aplicación e introduzca los seis dígitos que muestra.
totp-hint = Seis dígitos de su aplicación de autenticación.
totp-secret-hint = ¿No puede escanearlo? Introduzca esta clave en su aplicación:
totp-open-link = Abrir en una aplicación de este dispositivo
totp-button = Añadir aplicación
qr-label = Código QR para la aplicación de autenticación
app-name-label = Nombre de la aplicación o del dispositivo (opcional)
back-link = Volver

# La cuenta
security-title = Cuenta y seguridad
continue-link = Continuar donde lo dejó
profile-heading = Perfil
username-label = Nombre de usuario
language-label = Idioma
language-name = Español
language-auto = Como en el navegador
save-button = Guardar
email-heading = Correo electrónico
verified-label = verificado
unverified-label = sin verificar
email-change-summary = Cambiar el correo electrónico
new-email-label = Correo electrónico nuevo
new-email-hint = Enviaremos un código a la dirección nueva.
email-change-button = Enviar código
password-heading = Contraseña
password-change-summary = Cambiar la contraseña
password-set-summary = Definir una contraseña
current-password-label = Contraseña actual
password-button = Guardar contraseña
passkeys-heading = Llaves de acceso
passkeys-lead = Inicie sesión con su huella, su cara o el bloqueo de pantalla.
passkey-unnamed = Llave de acceso
passkey-add-button = Añadir una llave de acceso
added-on = añadido el { $date }
used-on = último uso el { $date }
remove-button = Quitar
two-step-heading = Verificación en dos pasos
two-step-on = Activada: después de la contraseña se pide un segundo factor.
two-step-off = Desactivada. Añada una aplicación de autenticación para proteger su cuenta aunque le roben la contraseña.
two-step-turn-on = Activar
two-step-turn-off = Desactivar
totp-add-button = Añadir una aplicación de autenticación
recovery-heading = Códigos de recuperación
recovery-left = { $count ->
    [one] Queda un código sin usar.
   *[other] Quedan { $count } códigos sin usar.
}
recovery-button = Crear códigos nuevos
lost-heading = ¿Perdió su dispositivo?
lost-lead = Enviamos un código por correo. Un día después podrá cambiar su cuenta sin el dispositivo perdido.
lost-button = Iniciar la recuperación
identities-heading = Cuentas vinculadas
unlink-button = Desvincular
link-button = Vincular { $provider }
sessions-heading = Dónde tiene la sesión abierta
current-label = este dispositivo
session-bound-here = vinculada a este dispositivo
session-bound-elsewhere = vinculada a su dispositivo
session-end-button = Cerrar sesión
sessions-end-button = Cerrar sesión en los demás dispositivos
devices-heading = Dispositivos recordados
devices-lead = A estos dispositivos no se les pide un código.
forget-button = Olvidar
keys-heading = Claves de API
revoke-button = Revocar
key-create-summary = Crear una clave de API
key-name-label = Nombre de la clave
key-scopes-legend = Permisos
key-button = Crear clave
delete-heading = Eliminar la cuenta
delete-summary = Eliminar mi cuenta
delete-lead = Esto elimina su cuenta y todo lo que le pertenece. No se puede deshacer.
delete-button = Eliminar mi cuenta definitivamente

# Errores
error-title = No funcionó
home-link = Ir a la página de inicio
error-invalid-request = Este dato falta o no es válido.
error-unauthenticated = Inicie sesión para continuar.
error-invalid-credentials = La dirección o la contraseña es incorrecta.
error-device-proof-required = Esta sesión solo puede usarse en su dispositivo. Vuelva a iniciar sesión.
error-forbidden = No tiene permiso para hacer esto.
error-step-up-required = Confirme que es usted para continuar.
error-setup-required = Añada un segundo factor para continuar.
error-cross-origin = El formulario se envió desde otro sitio. Abra la página de nuevo y repita.
error-sign-up-disabled = Aquí no se pueden crear cuentas nuevas.
error-wrong-password = La contraseña es incorrecta.
error-password-exists = Su cuenta ya tiene una contraseña.
error-challenge-expired = El código ha caducado. Empiece de nuevo.
error-invalid-code = El código es incorrecto. Compruébelo e inténtelo de nuevo.
error-invalid-token = El enlace ha caducado o ya se usó. Solicite uno nuevo.
error-confirm-required = Confirme que quiere iniciar sesión aquí.
error-too-many-attempts = { $minutes ->
    [one] Demasiados intentos. Inténtelo de nuevo en un minuto.
   *[other] Demasiados intentos. Inténtelo de nuevo en { $minutes } minutos.
}
error-rate-limited = { $minutes ->
    [one] Demasiadas solicitudes. Inténtelo de nuevo en un minuto.
   *[other] Demasiadas solicitudes. Inténtelo de nuevo en { $minutes } minutos.
}
error-not-found = Aquí no hay nada.
error-method-not-allowed = Esta página no se puede usar así.
error-email-taken = Este correo electrónico ya está en uso.
error-username-taken = Este nombre de usuario ya está en uso.
error-invalid-redirect = La página de retorno no está permitida.
error-invalid-state = El inicio de sesión ha caducado. Empiece de nuevo.
error-invalid-id-token = No se pudo verificar el inicio de sesión. Empiece de nuevo.
error-provider-denied = El proveedor rechazó el inicio de sesión.
error-provider-error = El proveedor no respondió como se esperaba. Inténtelo más tarde.
error-email-not-verified = Verifique primero su correo electrónico.
error-account-exists = Ya tiene una cuenta con esta dirección. Inicie sesión en ella y vincule después este proveedor.
error-identity-taken = Esto ya está vinculado a otra cuenta.
error-account-disabled = Esta cuenta está desactivada.
error-last-admin = Nombre primero a otro administrador.
error-unsupported = Este servicio no lo admite.
error-last-credential = Añada primero otra forma de iniciar sesión.
error-invalid-passkey = La llave de acceso no se aceptó.
error-no-totp = Añada primero una aplicación de autenticación.
error-too-many-factors = Quite primero otra.
error-no-second-factor = Añada primero un segundo factor.
error-second-factor-enrolled = Quite primero sus segundos factores.
error-payload-too-large = El formulario es demasiado grande.
error-unsupported-media-type = El formulario no se pudo leer.
error-invalid-email = Este correo electrónico no es válido.
error-weak-password = Elija otra contraseña:
error-impersonating = No es posible mientras actúa como otro usuario.
error-internal = Algo salió mal. Inténtelo más tarde.
error-unavailable = El servicio no está disponible en este momento. Inténtelo más tarde.
reason-too-short = { $length ->
    [one] al menos un carácter
   *[other] al menos { $length } caracteres
}
reason-too-long = es demasiado larga
reason-common = es una de las contraseñas más comunes
reason-contains-identifier = contiene su nombre o su correo electrónico
reason-missing-lowercase = añada una minúscula
reason-missing-uppercase = añada una mayúscula
reason-missing-number = añada un número
reason-missing-symbol = añada un símbolo
reason-breached = aparece en una filtración de datos

# Mails
mail-greeting = Hola, { $name }:
mail-code-note = { $minutes ->
    [one] Es válido durante un minuto.
   *[other] Es válido durante { $minutes } minutos.
    } Si no lo solicitó, es posible que alguien haya escrito su correo por error; no comparta el código.
mail-not-you = Si no fue usted, establezca de inmediato una contraseña nueva.
mail-what-label = Qué
mail-when-label = Cuándo
mail-network-label = Dirección de red
mail-device-label = Dispositivo
mail-device-on = { $program } en { $system }
mail-device-application = una aplicación
mail-device-unknown = no reconocido
mail-object-password = contraseña
mail-object-recovery-codes = códigos de recuperación
mail-object-passkey = llave de acceso «{ $name }»
mail-object-security-key = llave de seguridad «{ $name }»
mail-object-app = aplicación de autenticación «{ $name }»
mail-object-api-key = clave de API «{ $name }»
mail-object-provider = inicio de sesión con { $name }
mail-object-any-provider = inicio de sesión con un proveedor
mail-object-other = otro método de inicio de sesión
mail-item = { $item }, desde { $date }
mail-sign-up-code-subject = Su código de registro
mail-sign-up-code-before = Su código para terminar el registro:
mail-sign-up-code-after = { mail-code-note }
mail-sign-in-code-subject = Su código de acceso
mail-sign-in-code-before = Su código para iniciar sesión:
mail-sign-in-code-after = { mail-code-note }
mail-sign-in-link-subject = Su código y su enlace de acceso
mail-sign-in-link-before = Introduzca este código para iniciar sesión, o abra el enlace en el mismo navegador:
mail-sign-in-link-after = Ambos son válidos durante { $minutes ->
    [one] un minuto
   *[other] { $minutes } minutos
    }, y uno de ellos funciona una vez. Si no los solicitó, no tiene que hacer nada; no comparta ni el código ni el enlace.
mail-change-code-subject = Su código para cambiar la contraseña
mail-change-code-before = Su código para cambiar la contraseña:
mail-change-code-after = { mail-code-note }
mail-email-change-code-subject = Confirme su nuevo correo electrónico
mail-email-change-code-before = Su código para confirmar esta dirección:
mail-email-change-code-after = { mail-code-note }
mail-step-up-code-subject = Confirme que es usted
mail-step-up-code-before = Su código para confirmar que es usted:
mail-step-up-code-after = { mail-code-note }
mail-already-registered-subject = Ya tiene una cuenta
mail-already-registered-before = Se intentó crear una cuenta con este correo electrónico. Ya tiene una cuenta: inicie sesión, o establezca una contraseña nueva si olvidó la suya.
mail-already-registered-after = Si no fue usted, no tiene que hacer nada.
mail-reset-link-subject = Establezca una contraseña nueva
mail-reset-link-before = Abra este enlace para establecer una contraseña nueva:
mail-reset-link-after = Es válido durante { $minutes ->
    [one] un minuto
   *[other] { $minutes } minutos
    } y funciona una vez. Si no lo solicitó, no tiene que hacer nada: su contraseña no ha cambiado.
mail-invitation-subject = Ha recibido una invitación
mail-invitation-before = Se creó una cuenta para usted. Abra este enlace para establecer su contraseña:
mail-invitation-after = Es válido durante siete días y funciona una vez. Si no lo esperaba, no tiene que hacer nada.
mail-notice-password-changed-subject = Se cambió su contraseña
mail-notice-password-changed-before = Se cambió la contraseña de su cuenta y se cerró la sesión en todos los demás dispositivos.
mail-notice-password-changed-after = { mail-not-you }
mail-notice-email-changed-subject = Se cambió su correo electrónico
mail-notice-email-changed-before = Se cambió el correo electrónico de su cuenta. Si no fue usted, restáurelo aquí:
mail-notice-email-changed-after = El enlace funciona una vez.
mail-notice-email-changed-by-administrator-before = Un administrador cambió el correo electrónico de su cuenta.
mail-notice-email-changed-by-administrator-after = Si no lo esperaba, póngase en contacto con el responsable de este servicio.
mail-notice-email-change-requested-subject = Se solicitó un cambio de su correo electrónico
mail-notice-email-change-requested-before = Se solicitó un cambio del correo electrónico de su cuenta. Si no fue usted, deténgalo aquí:
mail-notice-email-change-requested-after = El enlace funciona una vez.
mail-notice-email-change-undone-subject = Se revirtió un cambio de correo electrónico
mail-notice-email-change-undone-before = Se revirtió el cambio del correo electrónico de una cuenta y se cerró la sesión en todos los dispositivos.
mail-notice-factor-added-subject = Se añadió un método de acceso
mail-notice-factor-added-before = Se añadió un método de acceso a su cuenta.
mail-notice-factor-added-after = { mail-not-you }
mail-notice-factor-removed-subject = Se quitó un método de acceso
mail-notice-factor-removed-before = Se quitó un método de acceso de su cuenta.
mail-notice-factor-removed-after = { mail-not-you }
mail-notice-recovery-code-used-subject = Se usó un código de recuperación
mail-notice-recovery-code-used-before = Se usó un código de recuperación de su cuenta para iniciar sesión.
mail-notice-recovery-code-used-after = { mail-not-you }
mail-recovery-code-email-subject = Su código para recuperar su cuenta
mail-recovery-code-email-before = Su código para comenzar la recuperación:
mail-recovery-code-email-after = { mail-code-note }
mail-notice-recovery-requested-subject = Se solicitó una recuperación de su cuenta
mail-notice-recovery-requested-before = En un día, el dispositivo que la solicitó podrá cambiar su cuenta sin su método de acceso más fuerte. Si no fue usted, deténgala aquí:
mail-notice-recovery-requested-after = El enlace es válido durante 48 horas. Detiene la recuperación y cierra la sesión en todos los dispositivos.
mail-notice-recovery-available-subject = La recuperación de su cuenta está disponible
mail-notice-recovery-available-before = Durante un día, el dispositivo que solicitó la recuperación puede cambiar su cuenta sin su método de acceso más fuerte. Sustituya lo que perdió.
mail-notice-recovery-available-after = Si no fue usted, abra el enlace del mensaje anterior, o establezca de inmediato una contraseña nueva.
mail-notice-impersonated-subject = Un administrador actúa en su cuenta
mail-notice-impersonated-before = Un administrador de este servicio inició sesión en su nombre, por una hora como máximo. No puede cambiar sus métodos de acceso.
mail-notice-impersonated-after = Si no lo esperaba, póngase en contacto con el operador de este servicio.

mail-notice-two-step-changed-subject = Se cambió la verificación en dos pasos
mail-notice-two-step-changed-before = Se activó o se desactivó la verificación en dos pasos de su cuenta.
mail-notice-two-step-changed-after = { mail-not-you }
mail-notice-device-forgotten-subject = Se olvidó un dispositivo recordado
mail-notice-device-forgotten-before = Se vuelve a pedir un segundo factor en un dispositivo en el que inició sesión.
mail-notice-device-forgotten-after = { mail-not-you }
mail-notice-identity-linked-subject = Se vinculó una cuenta
mail-notice-identity-linked-before = Ahora puede iniciar sesión con una cuenta de un proveedor.
mail-notice-identity-linked-after = { mail-not-you }
mail-notice-provider-alarm-subject = Un proveedor informó de un problema con su cuenta
mail-notice-provider-alarm-before = Un proveedor informó de que su cuenta con él se modificó, se cerró o la usó otra persona. Se cerró la sesión en los dispositivos en los que esa cuenta la había iniciado aquí.
mail-notice-provider-alarm-after = Este mensaje enumera sus llaves de acceso, autenticadores, cuentas vinculadas y claves aquí. Si no reconoce alguno, elimínelo y establezca una nueva contraseña de inmediato.
mail-notice-new-device-subject = Un dispositivo nuevo inició sesión
mail-notice-new-device-before = Se usó su cuenta para iniciar sesión en un dispositivo en el que no se había usado antes.
mail-notice-new-device-after = { mail-not-you }
mail-notice-program-signed-in-subject = Un programa inició sesión
mail-notice-program-signed-in-before = Usted permitió que un programa use su cuenta.
mail-notice-program-signed-in-after = { mail-not-you }
mail-notice-account-deleted-subject = Se eliminó su cuenta
mail-notice-account-deleted-before = Se eliminó su cuenta con todo lo que le pertenecía.
mail-notice-account-deleted-after = Si no fue usted, póngase en contacto con el operador de este servicio.
mail-notice-api-key-created-subject = Se creó una clave de API
mail-notice-api-key-created-before = Se creó una clave de API que actúa en nombre de su cuenta.
mail-notice-api-key-created-after = { mail-not-you }
mail-notice-api-key-revoked-subject = Se revocó una clave de API
mail-notice-api-key-revoked-before = Se revocó una clave de API de su cuenta.
mail-notice-api-key-revoked-after = { mail-not-you }
mail-notice-locked-subject = El acceso con contraseña está en pausa
mail-notice-locked-before = Se probaron muchas contraseñas incorrectas para su cuenta. Durante un día, su contraseña solo se acepta en dispositivos que ya usó.
mail-notice-locked-after = Si necesita iniciar sesión en otro lugar, use una llave de acceso o una cuenta vinculada, o establezca una contraseña nueva.
mail-notice-device-mismatch-subject = Se usó una sesión en otro dispositivo
mail-notice-device-mismatch-before = Una sesión de su cuenta está vinculada a su dispositivo y otro dispositivo intentó renovarla. Se rechazó, pero es posible que se hayan robado los datos que envía su dispositivo.
mail-notice-device-mismatch-after = Si no fue usted, cierre la sesión en su dispositivo, compruebe si tiene software malicioso y establezca una contraseña nueva.
mail-notice-refresh-reuse-subject = Se cerró la sesión de un dispositivo
mail-notice-refresh-reuse-before = Se volvió a usar un token de su cuenta después de que se hubiera sustituido. Se cerró la sesión en ese dispositivo; vuelva a iniciarla allí.
mail-notice-refresh-reuse-after = { mail-not-you }
