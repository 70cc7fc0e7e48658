"""Creates the other files in this folder: records in the form that their systems document, with hashes of
../legacy-hashes.txt, of Devise 4.8.1 and of published vectors, and, for Keycloak, by hashlib and argon2-cffi.

Run after `pip install argon2-cffi`, in this folder.
"""
import json,base64,hashlib
from argon2.low_level import hash_secret_raw, hash_secret, Type
V={}
for l in open('../legacy-hashes.txt'):
    k,h=l.rstrip('\n').split(' ',1); V[k]=h
def lines(n,rows): open(n,'w').write(''.join(json.dumps(r,ensure_ascii=False)+'\n' for r in rows))
lines('auth0.jsonl',[
 {"user_id":"auth0|60425dc43519d90068f82973","email":"ada@example.com","email_verified":True,"name":"Ada Lovelace","nickname":"ada","picture":"https://cdn.auth0.com/avatars/a.png","created_at":"2021-03-05T16:35:16.775Z","updated_at":"2024-02-29T12:30:00.000Z","user_metadata":{"theme":"dark"},"app_metadata":{"plan":"pro"},"identities":[{"connection":"Username-Password-Authentication","user_id":"60425dc43519d90068f82973","provider":"auth0","isSocial":False},{"connection":"google-oauth2","user_id":"108204268033311374519","provider":"google-oauth2","isSocial":True,"profileData":{"email":"ada@gmail.com","email_verified":True}},{"connection":"facebook","user_id":"10219","provider":"facebook","isSocial":True}],"passwordHash":V['bcrypt']},
 {"user_id":"github|583231","email":"bob@example.com","email_verified":False,"name":"bob@example.com","blocked":True,"multifactor":["guardian"],"created_at":"2022-01-01T00:00:00.000Z","identities":[{"connection":"github","user_id":583231,"provider":"github","isSocial":True}]},
 {"_id":{"$oid":"60425dc43519d90068f82974"},"email_verified":False,"email":"eve@example.com","passwordHash":V['bcrypt-2a'],"password_set_date":{"$date":"2021-03-05T16:35:16.775Z"},"tenant":"dev-example","connection":"Username-Password-Authentication"}])
json.dump({"users":[
 {"localId":"Wq1PHyZEyzXBcdDJ1SZHbnGH8Bq1","email":"ada@example.com","emailVerified":True,"passwordHash":"lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==","salt":"42xEC+ixf3L2lw==","displayName":"Ada Lovelace","photoUrl":"https://example.com/a.png","lastSignedInAt":"1709209800000","createdAt":"1700000000000","phoneNumber":"+4915112345678","customAttributes":"{\"plan\":\"pro\"}","providerUserInfo":[{"providerId":"google.com","rawId":"108204268033311374519","email":"ada@gmail.com","displayName":"Ada"},{"providerId":"password","rawId":"ada@example.com","email":"ada@example.com"},{"providerId":"twitter.com","rawId":"12"}]},
 {"localId":"phone-only","phoneNumber":"+4915112345679","createdAt":"1700000000000","providerUserInfo":[]},
 {"localId":"Xq1PHyZEyzXBcdDJ1SZHbnGH8Bq2","email":"bob@example.com","emailVerified":False,"disabled":True,"createdAt":"1700000000000","providerUserInfo":[{"providerId":"github.com","rawId":"583231"}],"mfaInfo":[{"mfaEnrollmentId":"x"}]}]},open('firebase.json','w'),indent=1)
lines('supabase.jsonl',[
 {"instance_id":"00000000-0000-0000-0000-000000000000","id":"8a5a1f4e-2e0c-4e7c-9d2f-0f4a5b6c7d8e","aud":"authenticated","role":"authenticated","email":"ada@example.com","encrypted_password":V['bcrypt-2a'],"email_confirmed_at":"2024-02-29T12:30:00.123+00:00","banned_until":None,"phone":None,"raw_app_meta_data":{"provider":"email","providers":["email","google"],"roles":["editor"]},"raw_user_meta_data":{"full_name":"Ada Lovelace","avatar_url":"https://example.com/a.png"},"created_at":"2024-01-01T00:00:00+00:00","updated_at":"2024-02-29T12:30:00+00:00","deleted_at":None,"is_anonymous":False,"identities":[{"provider":"email","provider_id":"8a5a1f4e","identity_data":{"sub":"8a5a1f4e"}},{"provider":"google","provider_id":"108204268033311374519","identity_data":{"sub":"108204268033311374519","email":"ada@gmail.com"}},{"provider":"azure","provider_id":"x","identity_data":{"sub":"x"}}],"factors":[{"factor_type":"totp","status":"verified","friendly_name":"phone","secret":"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"},{"factor_type":"totp","status":"unverified","secret":"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"},{"factor_type":"webauthn","status":"verified"}]},
 {"id":"9a5a1f4e-2e0c-4e7c-9d2f-0f4a5b6c7d8e","email":"bob@example.com","encrypted_password":"","email_confirmed_at":None,"banned_until":"2124-01-01T00:00:00+00:00","updated_at":"2024-02-29T12:30:00+00:00","created_at":"2024-01-01T00:00:00+00:00","identities":[],"factors":None}])
lines('devise.jsonl',[
 {"id":17,"email":"ada@example.com","encrypted_password":"$2a$05$8tZmdeyo1NvdA.B5AsisYuE7OoDjRNxv9PUNAO/X9k2gtAlHHCuLm","confirmed_at":"2024-02-29T12:30:00","created_at":"2024-01-01T00:00:00.123456","updated_at":"2024-02-29T12:30:00","name":"Ada Lovelace","role":"admin","provider":"google_oauth2","uid":"108204268033311374519","otp_required_for_login":True},
 {"id":18,"email":"bob@example.com","encrypted_password":"","confirmed_at":None,"created_at":"2024-01-01T00:00:00"}])
json.dump([
 {"Id":"0f8fad5b-d9cb-469f-a165-70867728950e","UserName":"ada@example.com","Email":"ada@example.com","EmailConfirmed":True,"PasswordHash":"AQAAAAIAAAD6AAAAIJbVi5wbMR+htSfFp8fTw8N8GOS/Sje+S/4YZcgBfU7EQuqv4OkVYmc4VJl9AGZzmRTxSkP7LtVi9IWyUxX8IAAfZ8v+ZfhjCcudtC1YERSqE1OEdXLW9VukPuJWBBjLuw==","PhoneNumber":"+4915112345678","PhoneNumberConfirmed":False,"TwoFactorEnabled":True,"AuthenticatorKey":"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ","LockoutEnd":None,"Roles":["Admin"],"Logins":[{"LoginProvider":"Google","ProviderKey":"108204268033311374519"},{"LoginProvider":"Microsoft","ProviderKey":"x"}]},
 {"Id":"1f8fad5b-d9cb-469f-a165-70867728950e","UserName":"bob","Email":"bob@example.com","EmailConfirmed":False,"PasswordHash":None,"TwoFactorEnabled":True,"LockoutEnd":"9999-12-31 23:59:59.9999999 +00:00","Roles":[]}],open('asp-net.json','w'))
lines('laravel.jsonl',[
 {"id":1,"name":"Ada Lovelace","email":"ada@example.com","email_verified_at":"2024-02-29 12:30:00","password":V['php-bcrypt'],"created_at":"2024-01-01 00:00:00","updated_at":"2024-02-29 12:30:00","roles":["admin"],"two_factor_secret":"eyJpdiI6…","google_id":"108204268033311374519"},
 {"id":2,"name":"Bob","email":"bob@example.com","email_verified_at":None,"password":V['php-argon2i'],"created_at":"2024-01-01 00:00:00"},
 {"id":3,"name":"Eve","email":"eve@example.com","password":"x","deleted_at":"2024-01-01 00:00:00"}])
lines('wordpress.jsonl',[
 {"ID":1,"user_login":"ada","user_email":"ada@example.com","user_pass":V['php-wordpress-6.8'],"user_registered":"2024-02-29 12:30:00","display_name":"Ada Lovelace","capabilities":"a:2:{s:13:\"administrator\";b:1;s:8:\"customer\";b:0;}"},
 {"ID":2,"user_login":"bob","user_email":"bob@example.com","user_pass":V['passlib-phpass'],"user_registered":"0000-00-00 00:00:00","display_name":"Bob","capabilities":"a:1:{s:6:\"editor\";b:1;}"},
 {"ID":3,"user_login":"Eve Smith","user_email":"eve@example.com","user_pass":"0d107d09f5bbe40cade3de5c71e9e9b7","user_registered":"2024-02-29 12:30:00","display_name":"Eve","capabilities":None}])
P=b"correct horse"; salt=b"0123456789abcdef"
b=lambda x: base64.b64encode(x).decode()
json.dump({"id":"example","realm":"example","users":[
 {"id":"4e1b2c3d-0000-4000-8000-000000000001","createdTimestamp":1709209800000,"username":"ada","enabled":True,"totp":True,"emailVerified":True,"firstName":"Ada","lastName":"Lovelace","email":"ada@example.com","attributes":{"locale":["en"]},"credentials":[
  {"id":"c1","type":"password","createdDate":1709209800000,"secretData":json.dumps({"value":b(hash_secret_raw(P,salt,5,7168,1,32,Type.ID)),"salt":b(salt),"additionalParameters":{}}),"credentialData":json.dumps({"hashIterations":5,"algorithm":"argon2","additionalParameters":{"hashLength":["32"],"memory":["7168"],"type":["id"],"version":["1.3"],"parallelism":["1"]}})},
  {"id":"c2","type":"otp","userLabel":"phone","secretData":json.dumps({"value":"12345678901234567890"}),"credentialData":json.dumps({"subType":"totp","digits":6,"counter":0,"period":30,"algorithm":"HmacSHA1"})},
  {"id":"c3","type":"webauthn","secretData":"{}","credentialData":"{}"}],
  "realmRoles":["default-roles-example","offline_access","editor"],"federatedIdentities":[{"identityProvider":"github","userId":"583231","userName":"ada"}],"groups":[]},
 {"id":"4e1b2c3d-0000-4000-8000-000000000002","createdTimestamp":1709209800000,"username":"bob@example.com","enabled":False,"emailVerified":False,"email":"bob@example.com","credentials":[{"type":"password","secretData":json.dumps({"value":b(hashlib.pbkdf2_hmac('sha512',P,salt,2750,64)),"salt":b(salt)}),"credentialData":json.dumps({"hashIterations":2750,"algorithm":"pbkdf2-sha512"})}],"realmRoles":[]},
 {"id":"4e1b2c3d-0000-4000-8000-000000000003","username":"eve","email":"eve@example.com","enabled":True,"emailVerified":True,"credentials":[{"type":"password","secretData":json.dumps({"value":b(hashlib.pbkdf2_hmac('sha256',P,salt,2750,64)),"salt":b(salt)}),"credentialData":json.dumps({"hashIterations":2750,"algorithm":"pbkdf2-sha256"})}]},
 {"id":"4e1b2c3d-0000-4000-8000-000000000004","username":"service-account-api","enabled":True,"serviceAccountClientId":"api"}],
 "clients":[{"users":[{"id":"no user"}]}]},open('keycloak.json','w'),indent=1)
lines('axum-login.jsonl',[
 {"id":1,"username":"ferris","email":"ada@example.com","password":hash_secret(P,salt,2,19456,1,32,Type.ID).decode(),"groups":["users","superusers"],"permissions":["restricted.read"]},
 {"id":2,"username":"bob","password":V['bcrypt']}])
