# تسجيل الدخول وإنشاء الحساب
sign-in-title = تسجيل الدخول
sign-in-lead = مرحبًا بعودتك إلى { $app }.
sign-in-button = تسجيل الدخول
sign-in-question = هل لديك حساب؟
sign-in-link = تسجيل الدخول
sign-up-title = إنشاء حساب
sign-up-lead = ابدأ مع { $app }.
sign-up-button = إنشاء الحساب
sign-up-question = هل أنت جديد هنا؟
sign-up-link = إنشاء حساب
email-label = البريد الإلكتروني
login-label = البريد الإلكتروني أو اسم المستخدم
password-label = كلمة المرور
name-label = الاسم (اختياري)
password-hint = { $length ->
    [few] { $length } أحرف على الأقل. من السهل تذكّر بضع كلمات غير مترابطة.
    [many] { $length } حرفًا على الأقل. من السهل تذكّر بضع كلمات غير مترابطة.
   *[other] { $length } حرف على الأقل. من السهل تذكّر بضع كلمات غير مترابطة.
}
strength-weak = كلمة مرور ضعيفة
strength-fair = كلمة مرور متوسطة
strength-good = كلمة مرور جيدة
show-password-label = إظهار كلمة المرور
shared-label = هذا حاسوب مشترك
shared-hint = سيتم تسجيل خروجك عند إغلاق المتصفح.
forgot-link = هل نسيت كلمة المرور؟
or-label = أو
passkey-sign-in-button = تسجيل الدخول بمفتاح المرور
passkey-verify-button = استخدم مفتاح المرور أو مفتاح الأمان
passkey-failed = لم يُقبل مفتاح المرور. حاول مرة أخرى.
passkey-needs-script = تحتاج مفاتيح المرور ومفاتيح الأمان إلى JavaScript في المتصفح.
provider-link = المتابعة باستخدام { $provider }
email-link = أرسل لي رمزًا بالبريد
email-title = تسجيل الدخول بالبريد الإلكتروني
email-lead = سنرسل لك رمزًا ورابطًا. لا حاجة إلى كلمة مرور.
email-button = إرسال الرمز
other-way-link = تسجيل الدخول بطريقة أخرى

# الرموز
verify-title = أدخل الرمز
verify-sent = أرسلنا رمزًا إلى { $address }. قد يستغرق ذلك دقيقة.
verify-lead = أكّد أنك صاحب الحساب.
verify-passkey-lead = أكّد أنك صاحب الحساب بمفتاح المرور أو مفتاح الأمان.
verify-button = متابعة
code-label = الرمز
method-legend = التحقق باستخدام
method-totp = تطبيق المصادقة
method-recovery-code = رمز الاسترداد
method-email-code = رمز بالبريد الإلكتروني
remember-label = لا تسأل مرة أخرى على هذا الجهاز
resend-question = لم تصلك الرسالة؟
resend-button = إرسال رمز آخر
start-again-link = البدء من جديد

# الروابط في الرسائل
forgot-title = إعادة تعيين كلمة المرور
forgot-lead = أدخل بريدك الإلكتروني وسنرسل لك رابطًا.
forgot-button = إرسال الرابط
forgot-sent = إذا كان هناك حساب بهذا العنوان فالرابط في طريقه إليك. تحقق من صندوق الوارد.
forgot-again-link = طلب رابط آخر
back-to-sign-in-link = العودة إلى تسجيل الدخول
reset-title = اختيار كلمة مرور جديدة
reset-button = تعيين كلمة المرور
new-password-label = كلمة المرور الجديدة
link-for = هذا يخص { $address }.
link-other = فُتح رابط آخر في هذا المتصفح منذ ذلك الحين. تحقق من العنوان وأكّد مرة أخرى.
link-sign-in-heading = تأكيد تسجيل الدخول
link-confirm = فتحت هذا الرابط في متصفح غير الذي طلبه. هل تريد تسجيل الدخول هنا باسم { $address }؟
undo-title = استعادة بريدك الإلكتروني
undo-lead = إذا لم تغيّر بريدك الإلكتروني فاستعده هنا. يُسجَّل الخروج من جميع الأجهزة وتختار كلمة مرور جديدة.
undo-button = استعادة عنواني
cancel-title = إيقاف استرداد الحساب
cancel-lead = طُلب استرداد هذا الحساب دون أقوى طريقة لتسجيل الدخول إليه. إذا لم تكن أنت فأوقفه هنا. يُسجَّل الخروج من جميع الأجهزة.
cancel-button = إيقاف الاسترداد

# تسجيل الخروج والتأكيد
impersonation-lead = أنت مسجّل الدخول باسم مستخدم آخر.
impersonation-button = العودة إلى حسابك

sign-out-title = تسجيل الخروج
sign-out-lead = هل تريد تسجيل الخروج من هذا الجهاز؟
sign-out-button = تسجيل الخروج
step-up-title = أكّد أنك صاحب الحساب
step-up-lead = سجّلت الدخول باسم { $address }. تحقق مرة أخرى للمتابعة.
step-up-lead-short = تحقق مرة أخرى للمتابعة.
step-up-email-button = أرسل لي رمزًا بالبريد
step-up-again = سجّل الدخول مرة أخرى للمتابعة.
security-link = الحساب والأمان
device-title = ربط برنامج
device-lead = أدخل الرمز الذي يعرضه البرنامج.
device-unknown = هذا الرمز خاطئ أو انتهت صلاحيته. ابدأ من جديد في البرنامج.
device-asks = يطلب { $program } استخدام حسابك.
device-account = سجّلت الدخول باسم { $address }.
device-from = جاء الطلب من { $address }.
device-warning = لا توافق إلا إذا كنت قد شغّلت هذا البرنامج بنفسك للتو. سيتمكن حينها من فعل كل ما يمكنك فعله.
device-approve-button = موافقة
device-deny-button = رفض
device-done = تم. يمكنك إغلاق هذه الصفحة والعودة إلى البرنامج.

# يظهر مرة واحدة
codes-title = رموز الاسترداد
codes-lead = احفظ هذه الرموز في مكان آمن. كل رمز يسجّل دخولك مرة واحدة إذا فقدت تطبيق المصادقة. لن تُعرض مرة أخرى.
codes-done-link = لقد حفظتها
copy-button = نسخ
copied-label = تم النسخ
print-button = طباعة
key-title = مفتاح API الخاص بك
key-lead = انسخ المفتاح الآن. لن يُعرض مرة أخرى.
key-done-link = تم
totp-title = إضافة تطبيق مصادقة
totp-lead = امسح الرمز بتطبيقك ثم أدخل الأرقام الستة التي يعرضها.
totp-hint = ستة أرقام من تطبيق المصادقة.
totp-secret-hint = لا يمكنك المسح؟ أدخل هذا المفتاح في تطبيقك:
totp-open-link = فتح في تطبيق على هذا الجهاز
totp-button = إضافة التطبيق
qr-label = رمز QR لتطبيق المصادقة
app-name-label = اسم التطبيق أو الجهاز (اختياري)
back-link = رجوع

# الحساب
security-title = الحساب والأمان
continue-link = المتابعة من حيث توقفت
profile-heading = الملف الشخصي
username-label = اسم المستخدم
language-label = اللغة
language-name = العربية
language-auto = كما في المتصفح
save-button = حفظ
email-heading = البريد الإلكتروني
verified-label = مؤكَّد
unverified-label = غير مؤكَّد
email-change-summary = تغيير البريد الإلكتروني
new-email-label = البريد الإلكتروني الجديد
new-email-hint = سنرسل رمزًا إلى العنوان الجديد.
email-change-button = إرسال الرمز
password-heading = كلمة المرور
password-change-summary = تغيير كلمة المرور
password-set-summary = تعيين كلمة مرور
current-password-label = كلمة المرور الحالية
password-button = حفظ كلمة المرور
passkeys-heading = مفاتيح المرور
passkeys-lead = سجّل الدخول ببصمة الإصبع أو الوجه أو قفل الشاشة.
passkey-unnamed = مفتاح مرور
passkey-add-button = إضافة مفتاح مرور
added-on = أُضيف في { $date }
used-on = آخر استخدام في { $date }
remove-button = إزالة
two-step-heading = التحقق بخطوتين
two-step-on = مفعّل: يُطلب عامل ثانٍ بعد كلمة المرور.
two-step-off = غير مفعّل. أضف تطبيق مصادقة لحماية حسابك حتى إذا سُرقت كلمة المرور.
two-step-turn-on = تفعيل
two-step-turn-off = إيقاف
totp-add-button = إضافة تطبيق مصادقة
recovery-heading = رموز الاسترداد
recovery-left = { $count ->
    [zero] لم يبق أي رمز.
    [one] بقي رمز واحد غير مستخدم.
    [two] بقي رمزان غير مستخدمين.
    [few] بقيت { $count } رموز غير مستخدمة.
    [many] بقي { $count } رمزًا غير مستخدم.
   *[other] بقي { $count } رمز غير مستخدم.
}
recovery-button = إنشاء رموز جديدة
lost-heading = هل فقدت جهازك؟
lost-lead = نرسل رمزًا بالبريد الإلكتروني. بعد يوم يمكنك تغيير حسابك دون الجهاز المفقود.
lost-button = بدء الاسترداد
identities-heading = الحسابات المرتبطة
unlink-button = إلغاء الربط
link-button = ربط { $provider }
sessions-heading = الأجهزة التي سجّلت الدخول منها
current-label = هذا الجهاز
session-bound-here = مرتبطة بهذا الجهاز
session-bound-elsewhere = مرتبطة بجهازها
session-end-button = تسجيل الخروج
sessions-end-button = تسجيل الخروج من بقية الأجهزة
devices-heading = الأجهزة المحفوظة
devices-lead = لا يُطلب رمز من هذه الأجهزة.
forget-button = نسيان
keys-heading = مفاتيح API
revoke-button = إبطال
key-create-summary = إنشاء مفتاح API
key-name-label = اسم المفتاح
key-scopes-legend = الأذونات
key-button = إنشاء المفتاح
delete-heading = حذف الحساب
delete-summary = حذف حسابي
delete-lead = يزيل هذا حسابك وكل ما يتعلق به. لا يمكن التراجع عنه.
delete-button = حذف حسابي نهائيًا

# الإدارة
admin-title = الإدارة
admin-users-title = المستخدمون
admin-user-title = مستخدم
admin-new-title = مستخدم جديد
admin-events-title = الأحداث
admin-search-label = بحث
admin-search-hint = بداية بريد إلكتروني أو اسم مستخدم أو اسم أو معرّف.
admin-status-label = الحالة
admin-any = الكل
admin-active = نشط
admin-disabled = معطَّل
admin-anonymous = مجهول
admin-role-label = الدور
admin-none = لا توجد نتائج.
admin-more-link = المزيد
admin-first-link = الصفحة الأولى
admin-user-label = معرّف المستخدم
admin-kind-label = الحدث
admin-actor = بواسطة
admin-id-label = المعرّف
admin-tenant-label = المؤسسة
admin-created-label = تاريخ الإنشاء
admin-seen-label = آخر نشاط
admin-events-link = أحداث هذا المستخدم
admin-verify-button = وضع علامة مؤكَّد
admin-unverify-button = وضع علامة غير مؤكَّد
admin-email-hint = العنوان الجديد غير مؤكَّد، ويُخطَر العنوان السابق.
admin-access-heading = الأدوار والأذونات
admin-roles-label = الأدوار
admin-lines-hint = واحد في كل سطر.
admin-methods-heading = طرق تسجيل الدخول
admin-has-password = توجد كلمة مرور.
admin-no-password = لا توجد كلمة مرور.
admin-security-key = مفتاح أمان
admin-reset-button = إرسال رابط لتعيين كلمة مرور
admin-reset-sent = يُرسَل الرابط إذا كان الحساب نشطًا وله بريد إلكتروني.
admin-sessions-heading = الجلسات
admin-sessions-end-button = تسجيل الخروج من كل مكان
admin-impersonated = أحد المسؤولين
admin-impersonate-heading = تسجيل الدخول باسم هذا المستخدم
admin-impersonate-lead = لمدة ساعة على الأكثر. يُسجَّل السبب، وقد يُخطَر المستخدم.
admin-reason-label = السبب
admin-end-heading = التعطيل أو الحذف
admin-disable-lead = المستخدم المعطَّل ليست له جلسات ولا يمكنه تسجيل الدخول.
admin-disable-button = تعطيل
admin-enable-button = تفعيل
admin-delete-lead = يزيل هذا الحساب وكل ما يتعلق به. لا يمكن التراجع عنه.
admin-delete-label = حذف هذا الحساب نهائيًا
admin-verified-label = البريد الإلكتروني مؤكَّد
admin-credential-legend = أول تسجيل دخول
admin-invitation = إرسال دعوة لتعيين كلمة مرور
admin-with-password = بكلمة المرور هذه
admin-without-password = بدون كلمة مرور
admin-new-button = إنشاء المستخدم

# الأخطاء
error-title = لم ينجح ذلك
home-link = الانتقال إلى الصفحة الرئيسية
error-invalid-request = هذه القيمة ناقصة أو غير صالحة.
error-unauthenticated = سجّل الدخول للمتابعة.
error-invalid-credentials = العنوان أو كلمة المرور غير صحيحة.
error-device-proof-required = لا يمكن استخدام هذه الجلسة إلا على جهازها. سجّل الدخول مرة أخرى.
error-forbidden = غير مسموح لك بذلك.
error-step-up-required = أكّد أنك صاحب الحساب للمتابعة.
error-setup-required = أضف عاملًا ثانيًا للمتابعة.
error-cross-origin = أُرسل النموذج من موقع آخر. افتح الصفحة من جديد وكرّر المحاولة.
error-sign-up-disabled = لا يمكن إنشاء حسابات جديدة هنا.
error-wrong-password = كلمة المرور غير صحيحة.
error-password-exists = لحسابك كلمة مرور بالفعل.
error-challenge-expired = انتهت صلاحية الرمز. ابدأ من جديد.
error-invalid-code = الرمز غير صحيح. تحقق منه وحاول مرة أخرى.
error-invalid-token = انتهت صلاحية الرابط أو استُخدم من قبل. اطلب رابطًا جديدًا.
error-confirm-required = أكّد أنك تريد تسجيل الدخول هنا.
error-too-many-attempts = { $minutes ->
    [zero] محاولات كثيرة جدًا. حاول مرة أخرى الآن.
    [one] محاولات كثيرة جدًا. حاول مرة أخرى بعد دقيقة.
    [two] محاولات كثيرة جدًا. حاول مرة أخرى بعد دقيقتين.
    [few] محاولات كثيرة جدًا. حاول مرة أخرى بعد { $minutes } دقائق.
    [many] محاولات كثيرة جدًا. حاول مرة أخرى بعد { $minutes } دقيقة.
   *[other] محاولات كثيرة جدًا. حاول مرة أخرى بعد { $minutes } دقيقة.
}
error-rate-limited = { $minutes ->
    [zero] طلبات كثيرة جدًا. حاول مرة أخرى الآن.
    [one] طلبات كثيرة جدًا. حاول مرة أخرى بعد دقيقة.
    [two] طلبات كثيرة جدًا. حاول مرة أخرى بعد دقيقتين.
    [few] طلبات كثيرة جدًا. حاول مرة أخرى بعد { $minutes } دقائق.
    [many] طلبات كثيرة جدًا. حاول مرة أخرى بعد { $minutes } دقيقة.
   *[other] طلبات كثيرة جدًا. حاول مرة أخرى بعد { $minutes } دقيقة.
}
error-not-found = لا يوجد شيء هنا.
error-method-not-allowed = لا يمكن استخدام هذه الصفحة بهذه الطريقة.
error-email-taken = هذا البريد الإلكتروني مستخدم بالفعل.
error-username-taken = اسم المستخدم هذا مستخدم بالفعل.
error-invalid-redirect = صفحة العودة غير مسموح بها.
error-invalid-state = انتهت صلاحية تسجيل الدخول. ابدأ من جديد.
error-invalid-id-token = تعذر التحقق من تسجيل الدخول. ابدأ من جديد.
error-provider-denied = رفض المزوّد تسجيل الدخول.
error-provider-error = لم يستجب المزوّد كما هو متوقع. حاول لاحقًا.
error-email-not-verified = أكّد بريدك الإلكتروني أولًا.
error-account-exists = لديك حساب بهذا العنوان. سجّل الدخول إليه ثم اربط هذا المزوّد.
error-identity-taken = هذا مرتبط بحساب آخر بالفعل.
error-account-disabled = هذا الحساب معطّل.
error-last-admin = عيّن مسؤولاً آخر أولاً.
error-transport-disabled = لا يمكن لهذا المتصفح تسجيل الدخول باسم مستخدم آخر.
error-unsupported = هذه الخدمة لا تدعم ذلك.
error-last-credential = أضف طريقة أخرى لتسجيل الدخول أولًا.
error-invalid-passkey = لم يُقبل مفتاح المرور.
error-no-totp = أضف تطبيق مصادقة أولًا.
error-too-many-factors = أزل واحدًا آخر أولًا.
error-no-second-factor = أضف عاملًا ثانيًا أولًا.
error-second-factor-enrolled = أزل العوامل الثانية أولًا.
error-payload-too-large = النموذج كبير جدًا.
error-unsupported-media-type = تعذّرت قراءة النموذج.
error-invalid-email = هذا البريد الإلكتروني غير صالح.
error-weak-password = اختر كلمة مرور أخرى:
error-impersonating = غير ممكن أثناء تسجيل الدخول باسم مستخدم آخر.
error-internal = حدث خطأ ما. حاول لاحقًا.
error-unavailable = الخدمة غير متاحة حاليًا. حاول لاحقًا.
reason-too-short = { $length ->
    [zero] لا أحرف
    [one] حرف واحد على الأقل
    [two] حرفان على الأقل
    [few] { $length } أحرف على الأقل
    [many] { $length } حرفًا على الأقل
   *[other] { $length } حرف على الأقل
}
reason-too-long = طويلة جدًا
reason-common = من أكثر كلمات المرور شيوعًا
reason-contains-identifier = تحتوي على اسمك أو بريدك الإلكتروني
reason-missing-lowercase = أضف حرفًا صغيرًا
reason-missing-uppercase = أضف حرفًا كبيرًا
reason-missing-number = أضف رقمًا
reason-missing-symbol = أضف رمزًا
reason-breached = معروفة من تسريب بيانات

# Mails
mail-greeting = مرحبًا { $name }،
mail-code-note = صلاحيته { $minutes ->
    [one] دقيقة واحدة
    [two] دقيقتين
    [few] { $minutes } دقائق
   *[other] { $minutes } دقيقة
    }. إذا لم تطلبه فربما كُتب بريدك الإلكتروني خطأً؛ لا تشارك الرمز مع أحد.
mail-not-you = إذا لم تكن أنت فعيّن كلمة مرور جديدة فورًا.
mail-what-label = الموضوع
mail-when-label = الوقت
mail-network-label = عنوان الشبكة
mail-device-label = الجهاز
mail-device-on = { $program } على { $system }
mail-device-application = تطبيق
mail-device-unknown = غير معروف
mail-object-password = كلمة المرور
mail-object-recovery-codes = رموز الاسترداد
mail-object-passkey = مفتاح المرور «{ $name }»
mail-object-security-key = مفتاح الأمان «{ $name }»
mail-object-app = تطبيق المصادقة «{ $name }»
mail-object-api-key = مفتاح API «{ $name }»
mail-object-provider = تسجيل الدخول عبر { $name }
mail-object-any-provider = تسجيل الدخول عبر مزوّد
mail-object-other = طريقة أخرى لتسجيل الدخول
mail-item = { $item }، منذ { $date }
mail-sign-up-code-subject = رمز إنشاء الحساب
mail-sign-up-code-before = رمزك لإكمال إنشاء الحساب:
mail-sign-up-code-after = { mail-code-note }
mail-sign-in-code-subject = رمز تسجيل الدخول
mail-sign-in-code-before = رمزك لتسجيل الدخول:
mail-sign-in-code-after = { mail-code-note }
mail-sign-in-link-subject = رمز ورابط تسجيل الدخول
mail-sign-in-link-before = أدخل هذا الرمز لتسجيل الدخول، أو افتح الرابط في المتصفح نفسه:
mail-sign-in-link-after = كلاهما صالح لمدة { $minutes ->
    [one] دقيقة واحدة
    [two] دقيقتين
    [few] { $minutes } دقائق
   *[other] { $minutes } دقيقة
    }، ويعمل أحدهما مرة واحدة. إذا لم تطلبهما فلا يلزمك فعل شيء؛ لا تشارك الرمز ولا الرابط مع أحد.
mail-change-code-subject = رمز تغيير كلمة المرور
mail-change-code-before = رمزك لتغيير كلمة المرور:
mail-change-code-after = { mail-code-note }
mail-email-change-code-subject = أكّد بريدك الإلكتروني الجديد
mail-email-change-code-before = رمزك لتأكيد هذا العنوان:
mail-email-change-code-after = { mail-code-note }
mail-step-up-code-subject = أكّد أنك أنت
mail-step-up-code-before = رمزك لتأكيد أنك أنت:
mail-step-up-code-after = { mail-code-note }
mail-already-registered-subject = لديك حساب بالفعل
mail-already-registered-before = جرت محاولة لإنشاء حساب بهذا البريد الإلكتروني. لديه حساب بالفعل: سجّل الدخول، أو عيّن كلمة مرور جديدة إذا نسيت كلمتك.
mail-already-registered-after = إذا لم تكن أنت فلا يلزمك فعل شيء.
mail-reset-link-subject = عيّن كلمة مرور جديدة
mail-reset-link-before = افتح هذا الرابط لتعيين كلمة مرور جديدة:
mail-reset-link-after = صلاحيته { $minutes ->
    [one] دقيقة واحدة
    [two] دقيقتين
    [few] { $minutes } دقائق
   *[other] { $minutes } دقيقة
    } ويعمل مرة واحدة. إذا لم تطلبه فلا يلزمك فعل شيء: لم تتغير كلمة مرورك.
mail-invitation-subject = لديك دعوة
mail-invitation-before = أُنشئ حساب لك. افتح هذا الرابط لتعيين كلمة مرورك:
mail-invitation-after = صلاحيته سبعة أيام ويعمل مرة واحدة. إذا لم تكن تتوقعه فلا يلزمك فعل شيء.
mail-notice-password-changed-subject = تغيّرت كلمة مرورك
mail-notice-password-changed-before = تغيّرت كلمة مرور حسابك، وسُجّل الخروج من جميع الأجهزة الأخرى.
mail-notice-password-changed-after = { mail-not-you }
mail-notice-email-changed-subject = تغيّر بريدك الإلكتروني
mail-notice-email-changed-before = تغيّر البريد الإلكتروني لحسابك. إذا لم تكن أنت فاستعده هنا:
mail-notice-email-changed-after = يعمل الرابط مرة واحدة.
mail-notice-email-changed-by-administrator-before = غيّر أحد المسؤولين البريد الإلكتروني لحسابك.
mail-notice-email-changed-by-administrator-after = إذا لم تكن تتوقع ذلك فتواصل مع مشغّل هذه الخدمة.
mail-notice-email-change-requested-subject = طُلب تغيير بريدك الإلكتروني
mail-notice-email-change-requested-before = طُلب تغيير البريد الإلكتروني لحسابك. إذا لم تكن أنت فأوقفه هنا:
mail-notice-email-change-requested-after = يعمل الرابط مرة واحدة.
mail-notice-email-change-undone-subject = أُلغي تغيير بريد إلكتروني
mail-notice-email-change-undone-before = أُلغي تغيير البريد الإلكتروني لأحد الحسابات، وسُجّل الخروج من جميع الأجهزة.
mail-notice-factor-added-subject = أُضيفت طريقة لتسجيل الدخول
mail-notice-factor-added-before = أُضيفت طريقة لتسجيل الدخول إلى حسابك.
mail-notice-factor-added-after = { mail-not-you }
mail-notice-factor-removed-subject = أُزيلت طريقة لتسجيل الدخول
mail-notice-factor-removed-before = أُزيلت طريقة لتسجيل الدخول من حسابك.
mail-notice-factor-removed-after = { mail-not-you }
mail-notice-recovery-code-used-subject = استُخدم رمز استرداد
mail-notice-recovery-code-used-before = استُخدم أحد رموز استرداد حسابك لتسجيل الدخول.
mail-notice-recovery-code-used-after = { mail-not-you }
mail-recovery-code-email-subject = رمز استرداد حسابك
mail-recovery-code-email-before = رمزك لبدء الاسترداد:
mail-recovery-code-email-after = { mail-code-note }
mail-notice-recovery-requested-subject = طُلب استرداد حسابك
mail-notice-recovery-requested-before = بعد يوم يمكن للجهاز الذي طلبه تغيير حسابك دون أقوى طريقة لتسجيل الدخول إليه. إذا لم تكن أنت فأوقفه هنا:
mail-notice-recovery-requested-after = الرابط صالح لمدة 48 ساعة. يوقف الاسترداد ويسجّل الخروج من جميع الأجهزة.
mail-notice-recovery-available-subject = أصبح استرداد حسابك متاحًا
mail-notice-recovery-available-before = لمدة يوم يمكن للجهاز الذي طلب الاسترداد تغيير حسابك دون أقوى طريقة لتسجيل الدخول إليه. استبدل ما فقدته.
mail-notice-recovery-available-after = إذا لم تكن أنت فافتح الرابط في الرسالة السابقة، أو عيّن كلمة مرور جديدة فورًا.
mail-notice-impersonated-subject = يعمل أحد المسؤولين في حسابك
mail-notice-impersonated-before = سجّل أحد مسؤولي هذه الخدمة الدخول باسمك لمدة ساعة على الأكثر. لا يمكنه تغيير طريقة تسجيل دخولك.
mail-notice-impersonated-after = إذا لم تكن تتوقع ذلك فتواصل مع مشغّل هذه الخدمة.

mail-notice-two-step-changed-subject = تغيّر التحقق بخطوتين
mail-notice-two-step-changed-before = فُعّل التحقق بخطوتين لحسابك أو أُوقف.
mail-notice-two-step-changed-after = { mail-not-you }
mail-notice-device-forgotten-subject = نُسي جهاز محفوظ
mail-notice-device-forgotten-before = يُطلب عامل ثانٍ من جديد على جهاز سجّلت الدخول منه.
mail-notice-device-forgotten-after = { mail-not-you }
mail-notice-identity-linked-subject = رُبط حساب
mail-notice-identity-linked-before = يمكنك الآن تسجيل الدخول بحساب لدى أحد المزوّدين.
mail-notice-identity-linked-after = { mail-not-you }
mail-notice-provider-alarm-subject = أبلغ مزوّد عن مشكلة في حسابك لديه
mail-notice-provider-alarm-before = أبلغ مزوّد بأن حسابك لديه قد تغيّر أو أُغلق أو استخدمه شخص آخر. سُجّل الخروج من الأجهزة التي سجّل هذا الحساب الدخول عليها هنا.
mail-notice-provider-alarm-after = تسرد هذه الرسالة مفاتيح المرور وتطبيقات المصادقة والحسابات المرتبطة والمفاتيح الخاصة بك هنا. إذا لم تتعرّف على أحدها، فأزله وعيّن كلمة مرور جديدة فورًا.
mail-notice-new-device-subject = جهاز جديد سجّل الدخول
mail-notice-new-device-before = استُخدم حسابك لتسجيل الدخول من جهاز لم يُستخدم عليه من قبل.
mail-notice-new-device-after = { mail-not-you }
mail-notice-program-signed-in-subject = سُجّل دخول برنامج
mail-notice-program-signed-in-before = سمحت لبرنامج باستخدام حسابك.
mail-notice-program-signed-in-after = { mail-not-you }
mail-notice-account-deleted-subject = حُذف حسابك
mail-notice-account-deleted-before = حُذف حسابك مع كل ما يخصه.
mail-notice-account-deleted-after = إذا لم تكن أنت فاتصل بمشغّل هذه الخدمة.
mail-notice-api-key-created-subject = أُنشئ مفتاح API
mail-notice-api-key-created-before = أُنشئ مفتاح API يعمل باسم حسابك.
mail-notice-api-key-created-after = { mail-not-you }
mail-notice-api-key-revoked-subject = أُلغي مفتاح API
mail-notice-api-key-revoked-before = أُلغي أحد مفاتيح API لحسابك.
mail-notice-api-key-revoked-after = { mail-not-you }
mail-notice-locked-subject = تسجيل الدخول بكلمة المرور متوقف مؤقتًا
mail-notice-locked-before = جُرّبت كلمات مرور خاطئة كثيرة لحسابك. لمدة يوم لا تُقبل كلمة مرورك إلا على أجهزة استخدمتها من قبل.
mail-notice-locked-after = إذا احتجت إلى تسجيل الدخول من مكان آخر فاستخدم مفتاح مرور أو حسابًا مرتبطًا، أو عيّن كلمة مرور جديدة.
mail-notice-device-mismatch-subject = استُخدمت جلسة على جهاز آخر
mail-notice-device-mismatch-before = جلسة من جلسات حسابك مرتبطة بجهازك، وحاول جهاز آخر تجديدها. رُفض ذلك، لكن ربما سُرقت البيانات التي يرسلها جهازك.
mail-notice-device-mismatch-after = إن لم تكن أنت من فعل ذلك، فسجّل الخروج على جهازك وافحصه بحثًا عن برامج ضارة وعيّن كلمة مرور جديدة.
mail-notice-refresh-reuse-subject = سُجّل الخروج من جهاز
mail-notice-refresh-reuse-before = استُخدم أحد رموز الوصول إلى حسابك مرة أخرى بعد استبداله. سُجّل الخروج من ذلك الجهاز؛ سجّل الدخول عليه من جديد.
mail-notice-refresh-reuse-after = { mail-not-you }
