"""Prints the lines of ../legacy-hashes.txt that argon2-cffi, passlib and Werkzeug make.

Run after `pip install argon2-cffi libpass werkzeug`. make-hashes.php makes those of PHP.
"""
from argon2.low_level import Type, hash_secret
from passlib.hash import pbkdf2_sha1, pbkdf2_sha512, phpass, sha256_crypt, sha512_crypt
from werkzeug.security import generate_password_hash

P = "correct horse"
print("argon2i", hash_secret(P.encode(), b"0123456789abcdef", 2, 1024, 2, 32, Type.I).decode())
print("argon2d", hash_secret(P.encode(), b"0123456789abcdef", 2, 1024, 2, 32, Type.D).decode())
print("passlib-phpass", phpass.using(rounds=8).hash(P))
print("passlib-phpass-phpbb", phpass.using(rounds=8, ident="H").hash(P))
print("passlib-sha512-crypt", sha512_crypt.using(rounds=1000).hash(P))
print("passlib-sha512-crypt-default", sha512_crypt.using(rounds=5000).hash(P))
print("passlib-sha256-crypt", sha256_crypt.using(rounds=1042).hash(P))
print("passlib-pbkdf2-sha512", pbkdf2_sha512.using(rounds=1000).hash(P))
print("passlib-pbkdf2-sha1", pbkdf2_sha1.using(rounds=1000).hash(P))
print("werkzeug-pbkdf2", generate_password_hash(P, method="pbkdf2:sha256:1000"))
print("werkzeug-pbkdf2-sha512", generate_password_hash(P, method="pbkdf2:sha512:1000"))
