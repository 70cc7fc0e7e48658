"""Creates django.jsonl (rows) and django-dumpdata.json: users of a real Django on SQLite.

Run after `pip install django argon2-cffi bcrypt django-otp`, in this folder:
python make-django.py
"""
import datetime, io, json, django
from django.conf import settings

settings.configure(
    SECRET_KEY="only for this fixture",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django_otp", "django_otp.plugins.otp_totp"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    PASSWORD_HASHERS=[
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
        "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher",
        "django.contrib.auth.hashers.Argon2PasswordHasher",
        "django.contrib.auth.hashers.BCryptSHA256PasswordHasher",
        "django.contrib.auth.hashers.ScryptPasswordHasher",
        "django.contrib.auth.hashers.MD5PasswordHasher",
    ],
)
django.setup()
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django_otp.plugins.otp_totp.models import TOTPDevice

call_command("migrate", verbosity=0)
joined = datetime.datetime(2024, 2, 29, 12, 30, tzinfo=datetime.timezone.utc)
editors = Group.objects.create(name="editors")
for number, algorithm in enumerate(["pbkdf2_sha256", "argon2", "bcrypt_sha256", "scrypt", "md5"]):
    user = User(username=f"user{number}", email=f"Django-{number}@example.com", date_joined=joined)
    user.password = make_password("correct horse", hasher=algorithm)
    user.first_name, user.last_name = "Ada", "Lovelace"
    user.is_superuser = user.is_staff = number == 0
    user.is_active = number != 3
    user.save()
    if number == 1:
        user.groups.add(editors)
        TOTPDevice.objects.create(user=user, name="phone", key="3132333435363738393031323334353637383930", confirmed=True)
User.objects.create(username="without", email="without@example.com", password=make_password(None), date_joined=joined)

# The script of guide/migrate.md.
with open("django.jsonl", "w") as out:
    for user in User.objects.prefetch_related("groups").iterator(1000):
        row = {name: getattr(user, name) for name in (
            "id username email first_name last_name password is_active is_staff is_superuser date_joined".split())}
        row["groups"] = [group.name for group in user.groups.all()]
        row["totp"] = list(TOTPDevice.objects.filter(user=user, confirmed=True).values("name", "key", "digits", "step", "t0"))
        out.write(json.dumps(row, default=str) + "\n")
text = io.StringIO()
call_command("dumpdata", "auth.user", "auth.group", natural_foreign=True, stdout=text)
with open("django-dumpdata.json", "w") as out:
    out.write(text.getvalue().replace('}}, {"model"', '}},\n{"model"'))
