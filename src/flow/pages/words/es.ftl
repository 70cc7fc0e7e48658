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
sign-out-title = Cerrar sesión
sign-out-lead = ¿Quiere cerrar la sesión en este dispositivo?
sign-out-button = Cerrar sesión
step-up-title = Confirme que es usted
step-up-lead = Ha iniciado sesión como { $address }. Verifique su identidad para continuar.
step-up-lead-short = Verifique su identidad para continuar.
step-up-email-button = Recibir un código por correo
step-up-again = Inicie sesión de nuevo para continuar.
security-link = Cuenta y seguridad

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
error-provider-denied = El proveedor rechazó el inicio de sesión.
error-provider-error = El proveedor no respondió como se esperaba. Inténtelo más tarde.
error-email-not-verified = Verifique primero su correo electrónico.
error-account-exists = Ya tiene una cuenta con esta dirección. Inicie sesión en ella y vincule después este proveedor.
error-identity-taken = Esto ya está vinculado a otra cuenta.
error-account-disabled = Esta cuenta está desactivada.
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
