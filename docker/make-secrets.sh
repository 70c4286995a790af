#!/bin/sh
# Make the secrets of docker-compose.yml, one file each; files that exist are left alone.
#
#     sh docker/make-secrets.sh              into ./secrets
#     sh docker/make-secrets.sh /elsewhere   into another directory
#
# The directory is closed to everybody but its owner. The files in it are readable, because Compose
# mounts them as they are, and the programs that read them are different users in each container: a
# container sees exactly the files that its service names.
set -eu
umask 077
directory=${1:-"$(dirname "$0")/../secrets"}
mkdir -p "$directory"
chmod 700 "$directory"
cd "$directory"

random_hex() { od -An -N "$1" -tx1 /dev/urandom | tr -d ' \n'; }

# keep NAME: write what comes in to a file, whole or not at all, unless it is there.
keep() {
    if [ -e "$1" ]; then
        cat >/dev/null
        return
    fi
    cat >".$1.new"
    chmod 444 ".$1.new"
    mv ".$1.new" "$1"
    echo "made $1"
}

# Hexadecimal passwords need no quoting, in no URL and no configuration file.
for name in postgres msp_owner msp_app msp_ingest valkey_broker valkey_cache; do
    random_hex 24 | keep "${name}_password"
done
random_hex 48 | keep secret_key
head -c 32 /dev/urandom | base64 | keep key_encryption_key
# Fill it in if your mail server wants one: printf %s 'the password' > email_password
printf '' | keep email_password

printf 'postgres://msp_app:%s@postgres:5432/msp' "$(cat msp_app_password)" | keep database_url
printf 'postgres://msp_owner:%s@postgres:5432/msp' "$(cat msp_owner_password)" |
    keep database_owner_url
printf 'postgres://msp_ingest:%s@postgres:5432/msp' "$(cat msp_ingest_password)" |
    keep database_ingest_url
printf 'redis://:%s@valkey-broker:6379/0' "$(cat valkey_broker_password)" | keep redis_url
printf 'redis://:%s@valkey-cache:6379/0' "$(cat valkey_cache_password)" | keep cache_url
for name in broker cache; do
    printf 'requirepass %s\n' "$(cat "valkey_${name}_password")" | keep "valkey_${name}.conf"
done

echo "Keep a copy of key_encryption_key apart from the database backups: without it no secret in"
echo "them can be read."
