<?php
// Prints the lines of ../legacy-hashes.txt that PHP makes. The first has the steps of wp_hash_password() of WordPress 6.8.
$password = "correct horse";
$first = base64_encode(hash_hmac('sha384', trim($password), 'wp-sha384', true));
echo 'php-wordpress-6.8 $wp', password_hash($first, PASSWORD_BCRYPT, ['cost' => 5]), "\n";
echo 'php-bcrypt ', password_hash($password, PASSWORD_BCRYPT, ['cost' => 5]), "\n";
echo 'php-crypt-sha512 ', crypt($password, '$6$rounds=1000$saltstring$'), "\n";
$costs = ['memory_cost' => 1024, 'time_cost' => 2, 'threads' => 1];
echo 'php-argon2i ', password_hash($password, PASSWORD_ARGON2I, $costs), "\n";
