#!/bin/sh
# Makes a certificate authority and prints its key and its certificate (PEM): it lives on in the caller's memory only.
set -eu
umask 0077
work=/run/authority
mkdir -p "$work"
cd "$work"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256 -days 30 \
  -subj '/CN=adjoin sandbox CA' -addext 'keyUsage=critical,keyCertSign,cRLSign' -keyout ca.key -out ca.pem 2>/dev/null
cat ca.key ca.pem
cd /
rm -rf "$work"
